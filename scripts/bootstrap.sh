#!/bin/sh
# Make .venv with the tested versions and this package in editable form. Needs a Python >= 3.12 and nothing else.
# Does nothing when .venv is newer than what it is made from. Set PYTHON to choose the interpreter; name further extras
# as arguments: sh scripts/bootstrap.sh docs
set -eu
cd "$(dirname "$0")/.."

venv=.venv
extras=test,dev
for extra in "$@"; do extras=$extras,$extra; done
stamp=$venv/.bootstrapped-$extras
check='import sys; sys.version_info >= (3, 12) or sys.exit(1); print(sys.executable)'

if [ -f "$stamp" ] && [ "$stamp" -nt pyproject.toml ] && [ "$stamp" -nt constraints.txt ] && "$venv/bin/python" -c "$check" >/dev/null 2>&1; then
    exit 0
fi

# Print the first Python that is new enough. Names on PATH may be shims that run nothing, so each is run, not looked up.
# 3.13 comes first because constraints.txt was made with it.
find_python() {
    if [ -n "${PYTHON:-}" ]; then
        "$PYTHON" -c "$check" 2>/dev/null && return 0
        echo "PYTHON=$PYTHON is not a Python 3.12 or newer." >&2
        return 1
    fi
    pyenv=${PYENV_ROOT:-$HOME/.pyenv}
    for candidate in python3.13 python3.12 python3.14 python3 python \
        "$pyenv"/versions/3.13*/bin/python "$pyenv"/versions/3.12*/bin/python "$pyenv"/versions/3.1[4-9]*/bin/python; do
        "$candidate" -c "$check" 2>/dev/null && return 0
    done
    echo "No Python 3.12 or newer found. Install one, or say where it is: PYTHON=/path/to/python make setup" >&2
    return 1
}

python=$(find_python)

# uv from PATH, else uv as a module of the Python found, else none; a uv that does not start is no uv.
if uv --version >/dev/null 2>&1; then
    uv() { command uv "$@"; }
    tool=uv
elif "$python" -m uv --version >/dev/null 2>&1; then
    uv() { "$python" -m uv "$@"; }
    tool=uv
else
    tool=pip
fi

echo "Setting up $venv with $("$python" -V) and $tool (a minute or a few, once)."
if ! "$venv/bin/python" -c "$check" >/dev/null 2>&1; then
    if [ "$tool" = uv ]; then
        uv venv --quiet --clear --python "$python" "$venv"
    else
        "$python" -m venv --clear "$venv"
    fi
fi

install() {
    if [ "$tool" = uv ]; then
        uv pip install --quiet --python "$venv/bin/python" -c constraints.txt -e "$1"
    else
        # what is imported is compiled then; compiling every file takes pip three quarters of its time
        "$venv/bin/python" -m pip install -qq --no-compile -c constraints.txt -e "$1"
    fi
}

# A .venv that uv made has no pip of its own.
[ "$tool" = uv ] || "$venv/bin/python" -m pip --version >/dev/null 2>&1 || "$venv/bin/python" -m ensurepip >/dev/null

install .
# While the rest installs, the engine's machine code is made, so that no fit waits for it. Where that cannot be done, the
# engine is compiled when it is first used.
"$venv/bin/python" scripts/build_libraries.py >"$venv/library.log" 2>&1 &
library=$!
trap 'kill $library 2>/dev/null || true' EXIT
trap 'exit 130' INT TERM
echo "Compiling the engine while test and development tools install."
install ".[$extras]"
wait $library || { echo "No machine code was made; the engine is compiled when it is first used:"; tail -n 1 "$venv/library.log"; } >&2
touch "$stamp"
