// OpenBLAS's C interface (Debian: libopenblas-serial-dev).
#include <cblas.h>
