// The few functions of the C library that the simulator needs, so that no other file names the platform.

import Glibc

package func logarithm(_ x: Double) -> Double { log(x) }
package func exponential(_ x: Double) -> Double { exp(x) }
package func power(_ x: Double, _ y: Double) -> Double { pow(x, y) }
package func sine(_ x: Double) -> Double { sin(x) }

/// CPU time of the calling thread, in seconds: for measurements only.
package func threadSeconds() -> Double {
    var time = timespec()
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time)
    return Double(time.tv_sec) + Double(time.tv_nsec) / 1e9
}
