"""Machine code of a C function: numba as far as LLVM's intermediate code, then LLVM over the whole of it at once.

Input: a function in the part of Python that numba compiles, and its C signature. Output: an object file.

numba optimises one function after the other, as if others might call each of them, and makes machine code of each. Here
they are all known: a record of arrays is no longer copied from call to call, counting references to memory that has
none is gone, and the work that numba would do for every function by itself is most of what compiling would take.
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Callable, Iterator
from typing import Any

import llvmlite.binding as llvm
from numba import cfunc
from numba.core import codegen
from numba.core.compiler_lock import global_compiler_lock
from numba.core.cpu import CPUContext
from numba.core.registry import cpu_target
from numba.core.runtime import rtsys

SYMBOL = "bayes_glmm_native"


def target_machine() -> Any:
    """Make a code generator for this processor, as numba sets its own; an engine keeps the one it is given.

    Returns
    -------
    llvmlite.binding.TargetMachine
        Of level 3.
    """
    # LLVM's targets and numba's helpers (allocation, linear algebra) become known to LLVM
    rtsys.initialize(cpu_target.target_context)
    target = llvm.Target.from_triple(llvm.get_process_triple())
    x86 = target.name.startswith("x86")
    return target.create_target_machine(
        cpu=llvm.get_host_cpu_name(),
        features=llvm.get_host_cpu_features().flatten(),
        opt=3,
        reloc="static" if x86 else "default",
        codemodel="jitdefault",
        jit=True,
    )


def machine_code(definition: Callable[..., Any], signature: Any, options: dict[str, Any]) -> bytes:
    """Compile a C function.

    Parameters
    ----------
    definition
        The function, in the part of Python that numba compiles.
    signature
        Its C signature, as numba types.
    options
        numba's options.

    Returns
    -------
    bytes
        An object file: everything the function calls inside, itself the only name outside, `SYMBOL`.
    """
    with _intermediate_code_only(definition):
        compiled: Any = cfunc(signature, **options)(definition)
        code = compiled.inspect_llvm()
    # counting references may be inlined, and vanishes where there is nothing to count
    code = re.sub(r"^(attributes #\d+ = {.*)noinline", r"\1nounwind", code, flags=re.MULTILINE)
    module = llvm.parse_assembly(code)
    module.get_function(compiled.native_name).name = SYMBOL
    for function in module.functions:
        if function.name != SYMBOL and not function.is_declaration:
            function.linkage = llvm.Linkage.internal
    machine, tuning = target_machine(), llvm.create_pipeline_tuning_options(speed_level=3)
    tuning.loop_vectorization = tuning.slp_vectorization = True
    builder = llvm.create_pass_builder(machine, tuning)
    builder.getModulePassManager().run(module, builder)
    return bytes(machine.emit_object(module))


def _light_passes(library: Any) -> None:
    """Clean up a module as numba does before its real passes: what is inlined here need not be read twice."""
    passes, builder = library._codegen._module_pass_manager(
        loop_vectorize=False, slp_vectorize=False, opt=0, cost="cheap"
    )
    passes.run(library._final_module, builder)


def _nothing(*_: Any, **__: Any) -> None:
    """Leave out a step."""


def _steps(definition: Callable[..., Any]) -> Iterator[tuple[Any, str, Callable[..., None]]]:
    """Yield steps of numba, and what stands for them while functions are only linked into a C function."""
    wrap = CPUContext.create_cfunc_wrapper

    def wrap_alone(context: Any, library: Any, description: Any, *rest: Any) -> None:
        if (description.modname, description.qualname) == (definition.__module__, definition.__qualname__):
            wrap(context, library, description, *rest)

    yield codegen.CPUCodeLibrary, "_optimize_final_module", _light_passes
    # machine code, and an address in it
    yield codegen.JITCodeLibrary, "_finalize_specific", _nothing
    yield codegen.JITCPUCodegen, "_add_module", _nothing
    yield codegen.JITCPUCodegen, "set_env", _nothing
    # what would let Python, or C, call a function
    yield CPUContext, "create_cpython_wrapper", _nothing
    yield CPUContext, "create_cfunc_wrapper", wrap_alone


@contextlib.contextmanager
def _intermediate_code_only(definition: Callable[..., Any]) -> Iterator[None]:
    """Let numba stop at LLVM's intermediate code.

    What is compiled here can be linked into any function that is compiled later. A call of it from Python would bring
    the process down; the package makes none, and compiles here in processes that do nothing else, wherever it can.
    """
    with global_compiler_lock, contextlib.ExitStack() as undo:
        for owner, name, step in _steps(definition):
            undo.callback(setattr, owner, name, vars(owner)[name])
            setattr(owner, name, step)
        yield
