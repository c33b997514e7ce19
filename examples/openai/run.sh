#!/bin/sh
# SPDX-License-Identifier: MIT
# A server of OpenAI's API under kvscope: run.sh [URL]; see README.md.
set -u
here=$(cd "$(dirname "$0")" && pwd)
# shellcheck source=examples/common.sh
. "$here/../common.sh"
# shellcheck disable=SC2034 # engine.sh reads it
api=chat
# shellcheck source=examples/engine.sh
. "$here/../engine.sh"

engine_example "${1:-}" --engine openai
