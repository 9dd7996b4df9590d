"""The engine's machine code as shared libraries, which spare the first fit on a machine its compilation.

    python scripts/build_libraries.py              for this machine
    python scripts/build_libraries.py all          for every target, linked by the package ziglang
    python scripts/build_libraries.py linux-aarch64 macos-arm64

numba runs on this machine alone: LLVM makes code for any other of its intermediate code. The libraries go to
``bayes_glmm/engine/libraries``, where wheels and sdists take them from. They need no other library (`runtime.c`), and
do not depend on the versions of Python, numba or the C library. One to several minutes of processor time, a twentieth
more for each further target. A library whose sources have been edited is not loaded, so nothing goes wrong when this
has not been run again: functions are compiled when they are first used.
"""

from __future__ import annotations

import importlib
import importlib.util
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from bayes_glmm.engine import shared_library  # noqa: E402
from bayes_glmm.engine.native import FUNCTIONS, function_named  # noqa: E402
from bayes_glmm.engine.rows import has_row_kernel, row_kernel  # noqa: E402
from bayes_glmm.families import FAMILIES  # noqa: E402
from bayes_glmm.links import LINKS  # noqa: E402

#: Modules that take longest.
LONGEST = ("sparse_gaussian", "laplace", "gaussian", "coordinates", "level_integrals")
#: Links of families whose row kernels every library has, besides each family's first. Others are compiled by whoever
#: uses them.
MORE_LINKS = (
    ("gaussian", "log"),
    ("binomial", "probit"),
    ("binomial", "cloglog"),
    ("gamma", "inverse"),
    ("cumulative", "probit"),
    ("cumulative", "cloglog"),
)


#: Kernels with functions that `runtime.c` does not have, angles' sin and atan: compiled by whoever uses them, too.
NOT_CARRIED = ("vonmises",)

#: Row kernels that one process compiles: they are small, and starting one takes as long.
AT_A_TIME = 8


@dataclass(frozen=True)
class Target:
    """A kind of processor and system: LLVM's names for it, zig's name, and how its libraries are linked."""

    triple: str
    processor: str
    zig: str
    code_model: str = "default"
    options: tuple[str, ...] = ()


_ELF = ("-Wl,--no-undefined", "-Wl,-z,noexecstack", "-Wl,--build-id=none")
_V3, _V4 = "-DLEVEL=3", "-DLEVEL=4"
TARGETS = {
    # the large model is as fast as code that need not be position-independent, the small one is slower by a tenth
    "linux-x86_64-v4": Target("x86_64-unknown-linux-gnu", "x86-64-v4", "x86_64-linux-gnu", "large", (*_ELF, _V4)),
    "linux-x86_64-v3": Target("x86_64-unknown-linux-gnu", "x86-64-v3", "x86_64-linux-gnu", "large", (*_ELF, _V3)),
    "linux-aarch64": Target("aarch64-unknown-linux-gnu", "generic", "aarch64-linux-gnu", options=_ELF),
    "macos-arm64": Target("arm64-apple-macosx11.0.0", "apple-m1", "aarch64-macos"),
    "windows-x86_64-v4": Target("x86_64-pc-windows-gnu", "x86-64-v4", "x86_64-windows-gnu", "large", (_V4,)),
    "windows-x86_64-v3": Target("x86_64-pc-windows-gnu", "x86-64-v3", "x86_64-windows-gnu", "large", (_V3,)),
}
_C = ("-O2", "-ffreestanding", "-fno-builtin", "-fPIC", "-fvisibility=hidden", "-fno-stack-protector", "-nostdlib")


def units() -> list[tuple[str, ...]]:
    """Names of functions, those of a process together: each module's, as where they are compiled when needed; rows."""
    sources = {path.stem: path.read_text(encoding="utf-8") for path in shared_library.FOLDER.glob("*.py")}
    having = sorted(module for module, source in sources.items() if "\n@native(" in source)
    ordered = [*(module for module in LONGEST if module in having), *(one for one in having if one not in LONGEST)]
    for module in ordered:
        importlib.import_module(f"bayes_glmm.engine.{module}")
    functions = [one for module in ordered for one in FUNCTIONS.values() if one.module == module]
    modules = dict.fromkeys(tuple(one.name for one in function.unit()) for function in functions)
    carried = [one for one in FAMILIES.values() if one.kernel is not None and one.kernel not in NOT_CARRIED]
    firsts = [(one.kernel, one.links[0]) for one in carried]
    rows = [
        row_kernel(kernel, link, each=not has_row_kernel(kernel, LINKS[link])).name
        for kernel, link in dict.fromkeys([*firsts, *MORE_LINKS])
    ]
    return [*modules, *(tuple(rows[i : i + AT_A_TIME]) for i in range(0, len(rows), AT_A_TIME))]


def compile_unit(folder: Path, targets: list[str], names: list[str]) -> None:
    """Write object files of some functions; what a process of its own does."""
    import llvmlite.binding as llvm

    from bayes_glmm.engine.machine_code import intermediate_code, object_file

    importlib.import_module(f"bayes_glmm.engine.{names[0].partition('.')[0]}")
    llvm.initialize_all_targets()
    llvm.initialize_all_asmprinters()
    for name in names:
        function = function_named(name)
        code = intermediate_code(function.definition, function.signature, function.options)
        # exceptions, which nobody will read, hold paths of this machine
        code = re.sub(r'^(@\.const\.pickledata\.\d+ = .*? x i8\]) c".*?"', r"\1 zeroinitializer", code, flags=re.M)
        for target in targets:
            machine = machine_for(TARGETS[target])
            symbol = shared_library.symbol(name)
            (folder / target / f"{symbol}.o").write_bytes(object_file(code, symbol, machine))


def machine_for(target: Target):
    """Return LLVM's code generator for a target."""
    import llvmlite.binding as llvm

    from bayes_glmm.engine.machine_code import LEVELS

    features = {name: changes for name, changes, _ in LEVELS}.get(target.processor, "")
    return llvm.Target.from_triple(target.triple).create_target_machine(
        cpu=target.processor, features=features, opt=3, reloc="pic", codemodel=target.code_model
    )


def this_target() -> str | None:
    """The best target that this machine runs, None where there is none."""
    from bayes_glmm.engine.machine_code import this_processor

    named = {target for target in shared_library.targets_here() if TARGETS[target].processor == this_processor()[0]}
    others = [target for target in shared_library.targets_here() if "x86_64" not in target]
    return next(iter([*named, *others]), None)


def compile_all(folder: Path, targets: list[str], processors: int) -> None:
    """Compile all functions, in as many processes at a time as there are processors."""
    waiting, running = units(), dict[subprocess.Popen[bytes], tuple[str, ...]]()
    count, started = len(waiting), time.perf_counter()
    # the order of sets is the order of functions in the code
    environment = {**os.environ, "PYTHONHASHSEED": "0", "PYTHONPATH": str(ROOT)}
    try:
        while waiting or running:
            while waiting and len(running) < processors:
                unit = waiting.pop(0)
                command = [sys.executable, __file__, "--unit", str(folder), ",".join(targets), *unit]
                running[subprocess.Popen(command, env=environment)] = unit
            time.sleep(0.05)
            for process in [process for process in running if process.poll() is not None]:
                names = ", ".join(running.pop(process))
                if process.returncode:
                    raise SystemExit(f"{names} could not be compiled.")
                if sys.stdout.isatty():
                    done = f"{count - len(waiting) - len(running)} of {count}"
                    print(f"\r  {done}, {time.perf_counter() - started:.0f} s", end="", flush=True)
    finally:
        for process in running:
            process.kill()
            process.wait()
    print(f"{chr(13) if sys.stdout.isatty() else ''}Compiled in {time.perf_counter() - started:.0f} s", flush=True)


def linker(target: str) -> list[str]:
    """The command that compiles C and links for a target: zig where it is installed, the system's for this machine."""
    system = shutil.which("cc")
    if target in shared_library.targets_here() and system is not None:
        return [system]
    if importlib.util.find_spec("ziglang") is not None:
        return [sys.executable, "-m", "ziglang", "cc", "-target", TARGETS[target].zig]
    raise SystemExit(f"{target} needs a C compiler: install the Python package ziglang.")


def link(folder: Path, target: str) -> Path:
    """Link a target's object files into the library; one of other sources is dropped."""
    made = folder / f"{target}.library"
    objects = sorted((folder / target).glob("*.o"))
    source = shared_library.FOLDER / "runtime.c"
    if target.startswith("windows"):  # which exports only what is named
        names = folder / f"{target}.def"
        names.write_text("EXPORTS\n" + "".join(f"  {path.stem}\n" for path in objects))
        objects.append(names)
    command = [*linker(target), "-shared", "-s", *_C, *TARGETS[target].options, "-o", made, source, *objects]
    if subprocess.run(command).returncode:
        raise SystemExit(f"{target} could not be linked. What is undefined above belongs into {source}.")
    path = shared_library.LIBRARIES / shared_library.name_of(target, made.read_bytes())
    path.parent.mkdir(exist_ok=True)
    for old in path.parent.glob(f"{target}-*"):
        old.unlink()
    part = path.with_suffix(".part")
    shutil.copy(made, part)
    part.replace(path)
    return path


def main(asked: list[str]) -> None:
    targets = list(TARGETS) if asked == ["all"] else asked or [here for here in [this_target()] if here]
    if unknown := [target for target in targets if target not in TARGETS]:
        raise SystemExit(f"There are libraries for {', '.join(TARGETS)}, not for {', '.join(unknown)}.")
    if not targets:
        raise SystemExit("There is no library for this machine: the engine is compiled when it is first used.")
    missing = [target for target in targets if not shared_library.paths_of(target)]
    for target in missing:
        linker(target)  # before minutes of compiling
    if missing:
        print(f"Compiling the engine for {', '.join(missing)} (a minute or a few)", flush=True)
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            for target in missing:
                (folder / target).mkdir()
            compile_all(folder, missing, os.cpu_count() or 1)
            if shared_library.sources_stamp.__wrapped__() != shared_library.sources_stamp():
                raise SystemExit("The engine's sources were edited while they were compiled: run this again.")
            for target in missing:
                link(folder, target)
    for target in targets:
        print(*shared_library.paths_of(target))


if __name__ == "__main__":
    if sys.argv[1:2] == ["--unit"]:
        compile_unit(Path(sys.argv[2]), sys.argv[3].split(","), sys.argv[4:])
    else:
        signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # its processes end with it
        main(sys.argv[1:])
