# SPDX-License-Identifier: MIT
"""A trace as the machine would have made it had it nothing else to do. The mock's log tells when it began and ended each
prefill, on the clock of the trace: what its timers took beyond tokens / rate, and what lay between its answer and our stamp, is
the machine's load. It is taken out of all times alike, so that the order of events stays and a test of seconds need not allow
for it."""
import bisect
import json

LINK_NS = 100000  # what is left between two processes


def calm(trace, log, rate, out):
    """Writes to `out` what `trace` says, its times as if prefill ran at `rate` tokens/s. `log`: the mock's requests that it
    prefilled, one at a time. Returns (out, the seconds that prefill takes)."""
    lines = [json.loads(line) for line in trace.read_text(encoding="utf-8").splitlines()]
    ours = {}
    for x in lines:
        if x["type"] == "exchange":
            ours.setdefault(x["request"]["sha256"], []).append(x["times_ns"])
    pieces = []  # begin, end, length wanted
    for entry in sorted(log, key=lambda e: e["times_ns"]["prefill_start"]):
        t = entry["times_ns"]
        mine = ours[entry["sha256"]].pop(0)
        pieces.append((t["prefill_start"], t["message_start"], int(entry["new_tokens"] * 1e9 / rate)))
        sent = max([mine["request_end"]] + [end for _, end, _ in pieces[:-1] if end < t["prefill_start"]])
        pieces += [(begin, end, min(LINK_NS, end - begin)) for begin, end in
                   ((sent, t["prefill_start"]), (t["message_start"], mine["message_start"]),
                    (mine["message_start"], mine["first_content"] or 0)) if begin < end]
    pieces.sort()
    # Where two overlap (another request's answer is on its way while this one is prefilled), the first has it.
    apart = []
    for begin, end, wanted in pieces:
        begin = max([begin] + [e for _, e, _ in apart[-1:]])
        if begin < end:
            apart.append((begin, end, wanted))
    begins = [piece[0] for piece in apart]
    shifts = [0]
    for begin, end, wanted in apart:
        shifts.append(shifts[-1] + wanted - (end - begin))

    def moved(time):
        at = bisect.bisect_right(begins, time)
        if at == 0:
            return time
        begin, end, wanted = apart[at - 1]
        if time >= end:
            return time + shifts[at]
        return begin + shifts[at - 1] + round((time - begin) * wanted / (end - begin))

    def walk(x):
        if isinstance(x, dict):
            for key, value in x.items():
                if key.endswith("_ns") and isinstance(value, dict):
                    x[key] = {k: v and moved(v) for k, v in value.items()}
                elif key in ("time_ns", "end_ns") and value:
                    x[key] = moved(value)
                else:
                    walk(value)
        elif isinstance(x, list):
            for value in x:
                walk(value)
    for x in lines[1:]:
        walk(x)
    out.write_text("".join(json.dumps(x) + "\n" for x in lines), encoding="utf-8")
    return out, sum(entry["new_tokens"] for entry in log) / rate
