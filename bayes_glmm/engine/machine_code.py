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
#: Levels of x86-64, best first: LLVM's name, what is changed in it, and the features by which a processor is known to
#: have it. Vectors as wide as there are: those of 256 bits, which LLVM prefers, take 1.4 times as long for 0/1 rows.
LEVELS = (
    ("x86-64-v4", "-prefer-256-bit", ("avx512f", "avx512bw", "avx512cd", "avx512dq", "avx512vl")),
    ("x86-64-v3", "", ("avx2", "bmi", "bmi2", "f16c", "fma", "lzcnt", "movbe")),
)


def this_processor() -> tuple[str, str]:
    """Name this processor by its level, whatever its model: one seed gives the same draws on all of a level.

    Returns
    -------
    name, features : str
        As LLVM takes them; those of the very model where it has no level.
    """
    features = llvm.get_host_cpu_features()
    if llvm.get_process_triple().startswith("x86_64"):
        for name, changes, needed in LEVELS:
            if all(features.get(feature, False) for feature in needed):
                return name, changes
    return llvm.get_host_cpu_name(), features.flatten()


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
    processor, features = this_processor()
    return target.create_target_machine(
        cpu=processor,
        features=features,
        opt=3,
        reloc="static" if x86 else "default",
        codemodel="jitdefault",
        jit=True,
    )


def machine_code(definition: Callable[..., Any], signature: Any, options: dict[str, Any]) -> bytes:
    """Compile a C function for this processor.

    Parameters
    ----------
    definition
        The function, in the part of Python that numba compiles.
    signature
        Its C signature, as numba reads it.
    options
        numba's options.

    Returns
    -------
    bytes
        An object file: everything the function calls inside, itself the only name outside, `SYMBOL`.
    """
    return object_file(intermediate_code(definition, signature, options), SYMBOL, target_machine())


def intermediate_code(definition: Callable[..., Any], signature: Any, options: dict[str, Any]) -> str:
    """Let numba compile a C function as far as LLVM's intermediate code.

    Parameters
    ----------
    definition, signature, options
        As for `machine_code`.

    Returns
    -------
    str
        With everything the function calls; its own name is `SYMBOL`.
    """
    with _intermediate_code_only(definition):
        compiled: Any = cfunc(signature, **options)(definition)
        code = compiled.inspect_llvm()
    # counting references may be inlined, and vanishes where there is nothing to count
    code = re.sub(r"^(attributes #\d+ = {.*)noinline", r"\1nounwind", code, flags=re.MULTILINE)
    module = llvm.parse_assembly(code)
    module.get_function(compiled.native_name).name = SYMBOL
    return str(module)


def object_file(code: str, name: str, machine: Any) -> bytes:
    """Optimise intermediate code as a whole and make machine code of it.

    Parameters
    ----------
    code
        Of `intermediate_code`.
    name
        What the function is called from outside.
    machine
        For which processor, a ``llvmlite.binding.TargetMachine``.

    Returns
    -------
    bytes
        An object file: everything the function calls inside, itself the only name outside.
    """
    code = re.sub(r"^target datalayout = .*$", f'target datalayout = "{machine.target_data}"', code, flags=re.MULTILINE)
    code = re.sub(r"^target triple = .*$", f'target triple = "{machine.triple}"', code, flags=re.MULTILINE)
    module = llvm.parse_assembly(code)
    module.get_function(SYMBOL).name = name
    for function in module.functions:
        if function.name != name and not function.is_declaration:
            function.linkage = llvm.Linkage.internal
    for variable in module.global_variables:
        if not variable.is_declaration:
            variable.linkage = llvm.Linkage.internal
    tuning = llvm.create_pipeline_tuning_options(speed_level=3)
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
