#!/bin/sh
# SPDX-License-Identifier: MIT
# Anthropic's API under kvscope: run.sh [URL]; see README.md.
set -u
here=$(cd "$(dirname "$0")" && pwd)
# shellcheck source=examples/common.sh
. "$here/../common.sh"
# shellcheck disable=SC2034 # engine.sh reads them
api=marked engine=anthropic
# shellcheck source=examples/engine.sh
. "$here/../engine.sh"

RULES=${RULES:-150} SYSTEM_TOKENS=${SYSTEM_TOKENS:-6000}
engine_example "${1:-}" --engine anthropic
