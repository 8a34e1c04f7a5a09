// Products of small row-major matrices of floats and what stands between layers, safe to call from any number of threads
// at once.
#pragma once

/// c (rows, columns) = a . b + beta * c with beta 0 or 1. Element (i, p) of a lies at a[i * a_row + p * a_column], of b
/// (p, j) at b[p * b_row + j * b_column]: a transposed matrix is one with its strides exchanged. c has no gaps.
void matrix_multiply(int rows, int inner, int columns, const float *a, int a_row, int a_column, const float *b,
                     int b_row, int b_column, int beta, float *c);

/// y (columns) += x (inner) . w (inner, columns).
void vector_multiply(int inner, int columns, const float *x, const float *w, float *y);

/// values (count) = tanh of each, in place: absolute error below 2e-7.
void hyperbolic_tangent(int count, float *values);
