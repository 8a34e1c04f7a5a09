// Why not a BLAS: the one that Debian builds without threads (libopenblas-serial) hands out its work buffers without a
// lock, so that two threads multiplying at once overwrite each other's panels, and nothing says so. These kernels hold
// no state. They are C because it has vectors of a fixed width and code for several instruction sets in one binary.
//
// The product is computed in tiles of 6 rows and 16 columns that stay in registers: 12 of AVX2's 16 registers, 6 of
// AVX-512's 32. Panels of b that are transposed or narrower than 16 are copied to the stack first, zero-padded.

#include "CMatrix.h"
#include <stdint.h>
#include <string.h>

// The choice is made while the program is loaded, before a sanitizer is ready to be called.
#if defined(__has_feature)
#define IS_SANITIZED (__has_feature(thread_sanitizer) || __has_feature(address_sanitizer))
#else
#define IS_SANITIZED 0
#endif
#if defined(__x86_64__) && defined(__gnu_linux__) && !IS_SANITIZED
#define FOR_EVERY_CPU __attribute__((target_clones("avx512f", "arch=haswell", "default")))
#else
#define FOR_EVERY_CPU
#endif
#define INLINE static inline __attribute__((always_inline))

enum { WIDTH = 16, HEIGHT = 6, DEPTH = 256 };

// Sixteen floats at any address.
typedef float lanes __attribute__((vector_size(WIDTH * sizeof(float)), aligned(4)));

// One tile: c (height, 16) += a (height, depth) . b (depth, 16). `height` is a constant wherever this is inlined.
INLINE void tile(int height, int depth, const float *a, int a_row, int a_column, const float *b, int b_row, float *c,
                 int c_row) {
    lanes sum[HEIGHT];
    for (int i = 0; i < height; i++) sum[i] = *(const lanes *)(c + (long)i * c_row);
    for (int p = 0; p < depth; p++) {
        const lanes line = *(const lanes *)(b + (long)p * b_row);
        for (int i = 0; i < height; i++) sum[i] += a[(long)i * a_row + (long)p * a_column] * line;
    }
    for (int i = 0; i < height; i++) *(lanes *)(c + (long)i * c_row) = sum[i];
}

INLINE void column_of_tiles(int rows, int depth, const float *a, int a_row, int a_column, const float *b, int b_row,
                            float *c, int c_row) {
    int i = 0;
    for (; i + HEIGHT <= rows; i += HEIGHT)
        tile(HEIGHT, depth, a + (long)i * a_row, a_row, a_column, b, b_row, c + (long)i * c_row, c_row);
    a += (long)i * a_row;
    c += (long)i * c_row;
    switch (rows - i) {
    case 5: tile(5, depth, a, a_row, a_column, b, b_row, c, c_row); break;
    case 4: tile(4, depth, a, a_row, a_column, b, b_row, c, c_row); break;
    case 3: tile(3, depth, a, a_row, a_column, b, b_row, c, c_row); break;
    case 2: tile(2, depth, a, a_row, a_column, b, b_row, c, c_row); break;
    case 1: tile(1, depth, a, a_row, a_column, b, b_row, c, c_row); break;
    }
}

// A panel of fewer than 16 columns of c: through a block of whole lines on the stack.
INLINE void narrow_column(int rows, int depth, int width, const float *a, int a_row, int a_column, const float *b,
                          float *c, int c_row) {
    float block[HEIGHT * WIDTH];
    for (int i = 0; i < rows; i += HEIGHT) {
        const int height = rows - i < HEIGHT ? rows - i : HEIGHT;
        memset(block, 0, sizeof block);
        for (int r = 0; r < height; r++)
            for (int j = 0; j < width; j++) block[r * WIDTH + j] = c[(long)(i + r) * c_row + j];
        column_of_tiles(height, depth, a + (long)i * a_row, a_row, a_column, b, WIDTH, block, WIDTH);
        for (int r = 0; r < height; r++)
            for (int j = 0; j < width; j++) c[(long)(i + r) * c_row + j] = block[r * WIDTH + j];
    }
}

FOR_EVERY_CPU
void matrix_multiply(int rows, int inner, int columns, const float *a, int a_row, int a_column, const float *b,
                     int b_row, int b_column, int beta, float *c) {
    float panel[DEPTH * WIDTH];
    if (beta == 0) memset(c, 0, sizeof(float) * (size_t)rows * (size_t)columns);
    for (int j = 0; j < columns; j += WIDTH) {
        const int width = columns - j < WIDTH ? columns - j : WIDTH;
        for (int p = 0; p < inner; p += DEPTH) {
            const int depth = inner - p < DEPTH ? inner - p : DEPTH;
            const float *a_part = a + (long)p * a_column;
            const float *b_part = b + (long)p * b_row + (long)j * b_column;
            if (width == WIDTH && b_column == 1) {
                column_of_tiles(rows, depth, a_part, a_row, a_column, b_part, b_row, c + j, columns);
                continue;
            }
            if (width < WIDTH) memset(panel, 0, sizeof(float) * WIDTH * (size_t)depth);
            for (int k = 0; k < width; k++)
                for (int q = 0; q < depth; q++)
                    panel[q * WIDTH + k] = b_part[(long)q * b_row + (long)k * b_column];
            if (width == WIDTH)
                column_of_tiles(rows, depth, a_part, a_row, a_column, panel, WIDTH, c + j, columns);
            else
                narrow_column(rows, depth, width, a_part, a_row, a_column, panel, c + j, columns);
        }
    }
}

// `count` vectors of y at once, so that several sums are under way while each waits for its last addition.
INLINE void stripe(int count, int inner, int columns, const float *x, const float *w, float *y) {
    lanes sum[4];
    for (int k = 0; k < count; k++) sum[k] = *(const lanes *)(y + k * WIDTH);
    for (int p = 0; p < inner; p++)
        for (int k = 0; k < count; k++) sum[k] += x[p] * *(const lanes *)(w + (long)p * columns + k * WIDTH);
    for (int k = 0; k < count; k++) *(lanes *)(y + k * WIDTH) = sum[k];
}

FOR_EVERY_CPU
void vector_multiply(int inner, int columns, const float *x, const float *w, float *y) {
    int j = 0;
    for (; j + 4 * WIDTH <= columns; j += 4 * WIDTH) stripe(4, inner, columns, x, w + j, y + j);
    for (; j + 2 * WIDTH <= columns; j += 2 * WIDTH) stripe(2, inner, columns, x, w + j, y + j);
    for (; j + WIDTH <= columns; j += WIDTH) stripe(1, inner, columns, x, w + j, y + j);
    // The last few columns, one by one: an output layer has 1 or 18 of them.
    for (; j < columns; j++) {
        float sum = y[j];
#pragma clang loop vectorize(disable)
        for (int p = 0; p < inner; p++) sum += x[p] * w[(long)p * columns + j];
        y[j] = sum;
    }
}

// e^x as Neural's `exponential` computes it, whose comment explains the numbers.
INLINE float exponential(float argument) {
    const float upper = argument < 88.f ? argument : 88.f;
    const float x = upper > -87.f ? upper : -87.f;
    const float shifted = x * 1.44269504f + 12582912.f;
    const float n = shifted - 12582912.f;
    const float r = (x - n * 0.693359375f) + n * 2.1219444e-4f;
    float p = 1.f / 720;
    p = p * r + 1.f / 120;
    p = p * r + 1.f / 24;
    p = p * r + 1.f / 6;
    p = p * r + 0.5f;
    p = p * r + 1;
    p = p * r + 1;
    uint32_t bits;
    memcpy(&bits, &shifted, sizeof bits);
    bits = (bits + 127) << 23;
    float scale;
    memcpy(&scale, &bits, sizeof scale);
    return p * scale;
}

FOR_EVERY_CPU
void hyperbolic_tangent(int count, float *values) {
    for (int i = 0; i < count; i++) values[i] = 1 - 2 / (1 + exponential(2 * values[i]));
}
