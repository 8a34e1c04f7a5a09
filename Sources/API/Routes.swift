// The one list of all routes.

import HTTPServer

public enum Routes {
    /// Every route of the service on one router.
    public static func router(_ api: APIContext) -> Router {
        var router = Router()
        DecideRoute.register(on: &router, api)
        ApplicationRoutes.register(on: &router, api)
        HistoryRoutes.register(on: &router, api)
        SeriesRoute.register(on: &router, api)
        ControlRoutes.register(on: &router, api)
        MoveRoutes.register(on: &router, api)
        TrainingRoutes.register(on: &router, api)
        BatchRoute.register(on: &router, api)
        RecommendationRoute.register(on: &router, api)
        RecommenderRoute.register(on: &router, api)
        OutcomeRoutes.register(on: &router, api)
        EpisodeRoutes.register(on: &router, api)
        TransitionsRoute.register(on: &router, api)
        WorkloadRoutes.register(on: &router, api)
        ModelRoutes.register(on: &router, api)
        BaseRoutes.register(on: &router, api)
        InferRoutes.register(on: &router, api)
        ReplayRoute.register(on: &router, api)
        OpenAPIRoute.register(on: &router)
        EventRoutes.register(on: &router, api)
        ServerRoute.register(on: &router, api)
        HealthRoutes.register(on: &router, api)
        MetricsRoute.register(on: &router, api)
        PageRoutes.register(on: &router)
        return router.prioritized(by: RoutePriorities.priority)
    }

    /// To be called when a loop has handled everything it was woken for: hands its decisions to the recorder.
    public static func drained(loop: Int, _ api: APIContext) { DecideRoute.drained(loop, api) }
}
