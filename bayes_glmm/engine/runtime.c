/* What compiled functions call, in a shared library that needs no other.

The C library, its mathematics and LAPACK are called through pointers that `shared_library.py` fills when it loads the library:
by the names in `bayes_glmm_imports`, in their order. So one file serves every version of them, and results are those of
code that numba compiles in the process, which calls the same functions.
*/

#include <stddef.h>
#include <stdint.h>

#if defined(_WIN32)
#define PUBLIC __declspec(dllexport)
#else
#define PUBLIC __attribute__((visibility("default")))
#endif

#define MATHEMATICS_OF_ONE(X) \
    X(cosh) X(erf) X(erfc) X(exp) X(expm1) X(lgamma) X(log) X(log10) X(log1p) X(sinh) X(tanh)
#define MATHEMATICS_OF_TWO(X) X(atan2) X(pow)
#define OTHERS(X) X(malloc) X(free) X(memcpy) X(memset) X(memmove) X(dpotrf) X(dgetrf) X(dgetri) X(dgemm) X(ddot)

#define PLACE(name) AT_##name,
enum { MATHEMATICS_OF_ONE(PLACE) MATHEMATICS_OF_TWO(PLACE) OTHERS(PLACE) COUNT };
#define NAME(name) #name " "
PUBLIC const char bayes_glmm_imports[] = MATHEMATICS_OF_ONE(NAME) MATHEMATICS_OF_TWO(NAME) OTHERS(NAME);
PUBLIC void *bayes_glmm_pointers[COUNT];

#define CALL(type, name) ((type)bayes_glmm_pointers[AT_##name])

/* mathematics and memory */

#define DEFINE_ONE(name) \
    double name(double x) { return CALL(double (*)(double), name)(x); }
#define DEFINE_TWO(name) \
    double name(double x, double y) { return CALL(double (*)(double, double), name)(x, y); }
MATHEMATICS_OF_ONE(DEFINE_ONE)
MATHEMATICS_OF_TWO(DEFINE_TWO)

void *memcpy(void *to, const void *from, size_t size) {
    return CALL(void *(*)(void *, const void *, size_t), memcpy)(to, from, size);
}

void *memmove(void *to, const void *from, size_t size) {
    return CALL(void *(*)(void *, const void *, size_t), memmove)(to, from, size);
}

void *memset(void *to, int value, size_t size) { return CALL(void *(*)(void *, int, size_t), memset)(to, value, size); }

/* errors inside compiled code: counted, since a C function cannot raise them; Python looks at the count after calls */

PUBLIC int64_t bayes_glmm_errors;

void PyErr_WriteUnraisable(void *where) { __atomic_add_fetch(&bayes_glmm_errors, 1, __ATOMIC_RELAXED); }

/* after which nothing can go on: LAPACK found an argument that cannot be */
void numba_fatal_error(void) { __builtin_trap(); }
void Py_FatalError(const char *message) { __builtin_trap(); }

/* what numba does on the way there, of which nothing is left to do */
void *PyExc_RuntimeError;
void *PyBytes_FromStringAndSize(const char *text, intptr_t size) { return NULL; }
void *PyUnicode_FromString(const char *text) { return NULL; }
void PyErr_Clear(void) {}
void PyErr_SetString(void *type, const char *message) {}
void Py_DecRef(void *object) {}
void numba_do_raise(void *exception) {}
int numba_gil_ensure(void) { return 0; }
void numba_gil_release(int state) {}
void *numba_runtime_build_excinfo_struct(void *structure, void *arguments) { return NULL; }
void *numba_unpickle(const char *data, int size, const char *hash) { return NULL; }

/* memory of numba's arrays: a record of how it is shared, which compiled code reads itself, and the data behind it */

typedef struct {
    size_t references;
    void (*destroy)(void *data, size_t size, void *context);
    void *context;
    void *data;
    size_t size;
    void *allocator;
} Memory;

void *NRT_Allocate(size_t size) { return CALL(void *(*)(size_t), malloc)(size); }

void NRT_Free(void *memory) { CALL(void (*)(void *), free)(memory); }

void *NRT_MemInfo_alloc_aligned(size_t size, unsigned alignment) {
    char *memory = NRT_Allocate(sizeof(Memory) + size + alignment);
    if (memory == NULL) return NULL;
    uintptr_t data = (uintptr_t)memory + sizeof(Memory) + alignment - 1;
    *(Memory *)memory = (Memory){1, NULL, NULL, (void *)(data - data % alignment), size, NULL};
    return memory;
}

void NRT_MemInfo_call_dtor(Memory *memory) {
    if (memory->destroy) memory->destroy(memory->data, memory->size, memory->context);
    NRT_Free(memory);
}

static void free_items(void *data, size_t size, void *destroy) {
    if (destroy) ((void (*)(void *, size_t, void *))destroy)(data, size, NULL);
    NRT_Free(data);
}

/* of a list, whose items are elsewhere */
void *NRT_MemInfo_new_varsize_dtor(size_t size, void *destroy) {
    Memory *memory = NRT_Allocate(sizeof(Memory));
    void *data = NRT_Allocate(size);
    if (memory == NULL || data == NULL) {
        NRT_Free(memory);
        NRT_Free(data);
        return NULL;
    }
    *memory = (Memory){1, free_items, destroy, data, size, NULL};
    return memory;
}

/* Strides of an array of another shape, 0 where it would have to be copied; all arrays of the engine are contiguous. */
int numba_attempt_nocopy_reshape(intptr_t n, const intptr_t *shape, const intptr_t *strides, intptr_t n_new,
                                 const intptr_t *shape_new, intptr_t *strides_new, intptr_t item_size, int by_column) {
    intptr_t stride = item_size;
    for (intptr_t i = n - 1; i >= 0; i--) {
        if (shape[i] != 1 && strides[i] != stride) return 0;
        stride *= shape[i];
    }
    if (by_column) return 0;
    stride = item_size;
    for (intptr_t i = n_new - 1; i >= 0; i--) {
        strides_new[i] = stride;
        stride *= shape_new[i];
    }
    return 1;
}

/* linear algebra of doubles: sizes by address, as Fortran has them; `kind` is 'd' */

int numba_xxpotrf(char kind, char triangle, intptr_t n, void *a, intptr_t columns) {
    int size = (int)n, leading = (int)columns, info = 0;
    CALL(void (*)(char *, int *, void *, int *, int *), dpotrf)(&triangle, &size, a, &leading, &info);
    return info;
}

int numba_xxgetrf(char kind, intptr_t m, intptr_t n, void *a, intptr_t columns, int *pivots) {
    int rows = (int)m, size = (int)n, leading = (int)columns, info = 0;
    CALL(void (*)(int *, int *, void *, int *, int *, int *), dgetrf)(&rows, &size, a, &leading, pivots, &info);
    return info;
}

int numba_ez_xxgetri(char kind, intptr_t n, void *a, intptr_t columns, int *pivots) {
    void (*invert)(int *, void *, int *, int *, double *, int *, int *) =
        CALL(void (*)(int *, void *, int *, int *, double *, int *, int *), dgetri);
    int size = (int)n, leading = (int)columns, info = 0, ask = -1;
    double best = 0.0;
    invert(&size, a, &leading, pivots, &best, &ask, &info);
    if (info != 0) return info;
    int length = (int)best > 1 ? (int)best : 1;
    double *work = NRT_Allocate((size_t)length * sizeof(double));
    if (work == NULL) return -1;
    invert(&size, a, &leading, pivots, work, &length, &info);
    NRT_Free(work);
    return info;
}

int numba_xxgemm(char kind, char transpose_a, char transpose_b, intptr_t m, intptr_t n, intptr_t k, void *alpha, void *a,
                 intptr_t columns_a, void *b, intptr_t columns_b, void *beta, void *c, intptr_t columns_c) {
    int rows = (int)m, columns = (int)n, inner = (int)k;
    int leading_a = (int)columns_a, leading_b = (int)columns_b, leading_c = (int)columns_c;
    CALL(void (*)(char *, char *, int *, int *, int *, void *, void *, int *, void *, int *, void *, void *, int *), dgemm)
    (&transpose_a, &transpose_b, &rows, &columns, &inner, alpha, a, &leading_a, b, &leading_b, beta, c, &leading_c);
    return 0;
}

int numba_xxdot(char kind, char conjugate, intptr_t n, void *x, void *y, double *result) {
    int size = (int)n, step = 1;
    *result = CALL(double (*)(int *, void *, int *, void *, int *), ddot)(&size, x, &step, y, &step);
    return 0;
}

#if defined(_WIN32)
/* what Windows calls when the library is loaded */
int DllMainCRTStartup(void *library, unsigned reason, void *reserved) { return 1; }

/* Touch each page of a new frame of rax bytes, so that Windows extends the stack; no register changes. */
__asm__(".globl ___chkstk_ms\n"
        "___chkstk_ms:\n"
        "  pushq %rcx\n"
        "  pushq %rax\n"
        "  leaq 24(%rsp), %rcx\n"
        "1: cmpq $4096, %rax\n"
        "  jb 2f\n"
        "  subq $4096, %rcx\n"
        "  testq %rcx, (%rcx)\n"
        "  subq $4096, %rax\n"
        "  jmp 1b\n"
        "2: subq %rax, %rcx\n"
        "  testq %rcx, (%rcx)\n"
        "  popq %rax\n"
        "  popq %rcx\n"
        "  ret\n");
#endif

/* Whether this processor runs the library's code: on x86-64 LEVEL 3 or 4, with registers that the system saves. */
#if defined(__x86_64__)
static void cpuid(unsigned leaf, unsigned found[4]) {
    __asm__("cpuid" : "=a"(found[0]), "=b"(found[1]), "=c"(found[2]), "=d"(found[3]) : "a"(leaf), "c"(0));
}

PUBLIC int bayes_glmm_runs_here(void) {
    /* FMA, MOVBE, OSXSAVE, AVX, F16C; BMI1, AVX2, BMI2; LZCNT */
    const unsigned first = 1u << 12 | 1u << 22 | 1u << 27 | 1u << 28 | 1u << 29;
    const unsigned v3 = 1u << 3 | 1u << 5 | 1u << 8, third = 1u << 5;
    /* AVX512F, DQ, CD, BW, VL */
    const unsigned v4 = 1u << 16 | 1u << 17 | 1u << 28 | 1u << 30 | 1u << 31;
    const unsigned second = LEVEL >= 4 ? v3 | v4 : v3, saved = LEVEL >= 4 ? 0xe6u : 6u;
    unsigned found[4], low, high;
    cpuid(0, found);
    if (found[0] < 7) return 0;
    cpuid(1, found);
    if ((found[2] & first) != first) return 0;
    __asm__("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
    if ((low & saved) != saved) return 0;
    cpuid(7, found);
    if ((found[1] & second) != second) return 0;
    cpuid(0x80000001u, found);
    return (found[2] & third) == third;
}
#else
PUBLIC int bayes_glmm_runs_here(void) { return 1; }
#endif
