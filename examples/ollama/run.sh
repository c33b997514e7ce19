#!/bin/sh
# SPDX-License-Identifier: MIT
# Ollama under kvscope: run.sh [URL]; see README.md.
set -u
here=$(cd "$(dirname "$0")" && pwd)
# shellcheck source=examples/common.sh
. "$here/../common.sh"
# shellcheck disable=SC2034 # engine.sh reads it
api=messages
# shellcheck source=examples/engine.sh
. "$here/../engine.sh"

engine_example "${1:-}" --engine ollama
