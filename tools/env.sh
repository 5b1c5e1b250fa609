#!/bin/sh
# Makes the environment in .venv from requirements.txt, and does nothing when it is there already.
# `make book`, `make test` and the others call it first; by hand: sh tools/env.sh
#
# The stamp .venv/hpn-stamp holds the checksum of what was installed, so an unchanged tree reinstalls nothing, with or
# without a network. A half-made .venv is completed; nothing is ever deleted.
set -eu
cd "$(dirname "$0")/.."
VENV=.venv
ALLOWED="3.11 3.12 3.13"

say() { printf '%s\n' "$*"; }
stop() { printf '\n%s\n' "$*" >&2; exit 1; }

# The version (3.12, say) of an interpreter, or nothing if it does not run: a name on the PATH may be a hollow shim.
version() { "$1" -c 'import sys; print("%d.%d" % sys.version_info[:2])' 2>/dev/null || true; }
allowed() { case " $ALLOWED " in *" $1 "*) [ -n "$1" ] ;; *) false ;; esac; }

find_python() {
    found=""
    for name in ${PYTHON:-python3 python3.13 python3.12 python3.11 python}; do
        v=$(version "$name")
        if allowed "$v"; then command -v "$name"; return; fi
        [ -z "$v" ] || found="$found $name is $v;"
    done
    stop "This book needs Python 3.11, 3.12 or 3.13. Found:${found:- no Python;} none of them fits.
Install one of these versions, or name it: make PYTHON=/path/to/python3.12 book"
}

# Runs a command, shows what it says, and explains a failure that comes from a missing network.
download() {
    log=$VENV/hpn-install.log
    { "$@" 2>&1 && : >"$log.ok"; } | tee "$log"
    if [ -e "$log.ok" ]; then rm -f "$log.ok" "$log"; return; fi
    if grep -qiE 'dns error|resolve|connection|connect error|timed out|unreachable|network|error sending request|failed to fetch|no matching distribution' "$log"; then
        stop "No network: the packages of requirements.txt could not be fetched (the lines above say which).
They are needed once. Connect and run the same command again: it goes on where it stopped.
Afterwards everything works without a network."
    fi
    stop "Installing the packages failed; the lines above say why, and $log keeps them.
Run the same command again once that is mended: it goes on where it stopped."
}

[ -e requirements.txt ] && [ -e pyproject.toml ] || stop "requirements.txt or pyproject.toml is missing: run make in a complete copy of the book."

PY=$VENV/bin/python
if [ -e "$VENV" ] || [ -L "$VENV" ]; then
    v=$(version "$PY")
    if [ -n "$v" ] && ! allowed "$v"; then
        stop ".venv holds Python $v, and this book needs one of: $ALLOWED.
Move it away (mv .venv .venv-old) and run the same command again."
    fi
fi

want="$(cat requirements.txt pyproject.toml tools/env.sh | cksum) $(version "$PY")"
if [ -x "$PY" ] && [ "$(cat $VENV/hpn-stamp 2>/dev/null)" = "$want" ]; then exit 0; fi

if [ -z "$(version "$PY")" ] || ! "$PY" -m pip --version >/dev/null 2>&1; then
    base=$(find_python)
    say "Making the environment .venv with $base ($(version "$base"))"
    "$base" -m venv "$VENV" || stop "$base could not make the environment .venv.
On Debian and Ubuntu its part for this is a package of its own: apt-get install python3-venv. Then run the same command again."
    [ -n "$(version "$PY")" ] || stop ".venv/bin/python does not run (was the Python it came from removed?).
Move it away (mv .venv .venv-old) and run the same command again."
fi

say "Installing the packages of requirements.txt into .venv (once; several gigabytes the first time)"
[ -x $VENV/bin/uv ] || download "$PY" -m pip install --quiet --disable-pip-version-check uv
download $VENV/bin/uv pip install --python "$PY" -r requirements.txt
# setuptools is among the pins, so building our own package needs no download.
download $VENV/bin/uv pip install --python "$PY" --no-deps --no-build-isolation --editable .
printf '%s' "$(cat requirements.txt pyproject.toml tools/env.sh | cksum) $(version "$PY")" >$VENV/hpn-stamp
say "The environment is ready."
