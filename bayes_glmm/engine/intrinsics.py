"""Machine-level pieces numba lacks: calls through addresses, memory without reference counts, a double's bits.

Importing this imports numba; `pointers.py` has the same names without. Functions that are handed addresses instead of
closures compile once a machine and serve every model from disk. An array numba allocates costs 50 nanoseconds, and
every slice of it two atomic operations; a density that takes microseconds allocates once and works in `borrowed` parts
of that, and in `local_vector`.
"""

from __future__ import annotations

from typing import Any

from llvmlite import ir
from numba import extending, types
from numba.core import cgutils

#: numba's decorator is typed as if decorated functions kept the typing context as their first argument
intrinsic: Any = extending.intrinsic


@intrinsic
def as_pointer(typingctx: Any, address: Any) -> Any:
    """Turn an address (uint64) into a void pointer."""
    signature = types.voidptr(address)

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return builder.inttoptr(args[0], cgutils.voidptr_t)

    return signature, codegen


def _double_pointers(context: Any, builder: Any, signature: Any, args: Any) -> list[Any]:
    """Return each argument as LLVM wants it in the call: arrays by the address of their first element."""
    values = []
    for numba_type, value in zip(signature.args[1:], args[1:], strict=True):
        if isinstance(numba_type, types.Array):
            values.append(context.make_array(numba_type)(context, builder, value).data)
        else:
            values.append(value)
    return values


@intrinsic
def call_rows(
    typingctx: Any,
    address: Any,
    n: Any,
    eta: Any,
    y: Any,
    counts: Any,
    parameters: Any,
    values: Any,
    d_eta: Any,
    d_parameters: Any,
) -> Any:
    """Call a row kernel (`ROWS_SIGNATURE`) through its address; arrays must be contiguous float64."""
    signature = types.float64(address, types.int64, eta, y, counts, parameters, values, d_eta, d_parameters)

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        pointer = ir.DoubleType().as_pointer()
        function = ir.FunctionType(ir.DoubleType(), [ir.IntType(64), *([pointer] * 7)])
        callee = builder.inttoptr(args[0], function.as_pointer())
        return builder.call(callee, _double_pointers(context, builder, signature, args))

    return signature, codegen


@intrinsic
def call_density(typingctx: Any, address: Any, n: Any, x: Any, gradient: Any, logp: Any, user_data: Any) -> Any:
    """Call a log density with gradient (`DENSITY_SIGNATURE`) through its address; user data by its address."""
    signature = types.int64(address, types.uint64, x, gradient, logp, types.uint64)

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        pointer, void = ir.DoubleType().as_pointer(), cgutils.voidptr_t
        function = ir.FunctionType(ir.IntType(64), [ir.IntType(64), pointer, pointer, pointer, void])
        callee = builder.inttoptr(args[0], function.as_pointer())
        values = _double_pointers(context, builder, signature, args)
        values[-1] = builder.inttoptr(values[-1], void)
        return builder.call(callee, values)

    return signature, codegen


@intrinsic
def float_from_bits(typingctx: Any, bits: Any) -> Any:
    """Read an int64's bits as a double; vectorises."""
    signature = types.float64(types.int64)

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return builder.bitcast(args[0], ir.DoubleType())

    return signature, codegen


def _local_array(context: Any, builder: Any, array_type: Any, shape: list[Any]) -> Any:
    """Make an array of doubles on the stack of the function that is being compiled."""
    from numba.np.arrayobj import populate_array  # takes 0.3 s, and only compilation needs it

    double = ir.DoubleType()
    size = ir.Constant(shape[0].type, double.get_abi_size(context.target_data))
    strides = [size]
    for length in shape[:0:-1]:
        strides.insert(0, builder.mul(strides[0], length))
    count = shape[0]
    for length in shape[1:]:
        count = builder.mul(count, length)
    memory = builder.alloca(double, size=count)
    memory.align = 32
    array = context.make_array(array_type)(context, builder)
    populate_array(array, data=memory, shape=shape, strides=strides, itemsize=size, meminfo=None)
    return array._getvalue()


@intrinsic
def local_vector(typingctx: Any, size: Any) -> Any:
    """Return an uninitialised (size,) array of doubles that lives until the calling function returns.

    Outside of loops, never to be returned, and only for what `bayes_glmm.engine.parameters` bounds (`MOST_COEFS`,
    `MOST_THRESHOLDS`): a thread's stack is small.
    """
    array_type = types.Array(types.float64, 1, "C")

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return _local_array(context, builder, array_type, list(args))

    return array_type(types.intp), codegen


@intrinsic
def local_matrix(typingctx: Any, rows: Any, columns: Any) -> Any:
    """Return an uninitialised (rows, columns) array, as `local_vector`."""
    array_type = types.Array(types.float64, 2, "C")

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return _local_array(context, builder, array_type, list(args))

    return array_type(types.intp, types.intp), codegen


@intrinsic
def borrowed(typingctx: Any, array: Any) -> Any:
    """Return the same memory without reference counts; `release` of the owner ends the time it may be used."""

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        view = context.make_array(array)(context, builder, args[0])
        view.meminfo = ir.Constant(view.meminfo.type, None)
        view.parent = ir.Constant(view.parent.type, None)
        return view._getvalue()

    return array(array), codegen


@intrinsic
def release(typingctx: Any, array: Any) -> Any:
    """Do nothing: the last use of an array whose memory was `borrowed`, before which numba does not free it."""

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return context.get_dummy_value()

    return types.none(array), codegen
