# SPDX-License-Identifier: MIT
"""See b8_replay_stamps.sh. Ours runs from the last byte handed to the kernel to the callback with the first content, the
mock's from the last byte read to the first content written; what is between the two is the client's, the kernel's and
the scheduler's."""
import json
import random
import sys

sys.path.insert(0, "tests/e2e")
import lib  # noqa: E402
import sessions  # noqa: E402


def bodies(seed, turns):
    c = sessions.Conversation(random.Random(seed), f"bench-{seed}")
    c.say("begin")
    out = []
    for _ in range(turns):
        out.append(c.request())
        c.work()
    return out


def measure(t, lineages, turns):
    talks = [bodies(seed, turns) for seed in range(lineages)]
    script = t.path("requests.json")
    # Turn by turn over all sessions, so that they overlap in the capture as they shall in the replay.
    script.write_text(json.dumps([(f"s{s}", None, talk[n]) for n in range(turns) for s, talk in enumerate(talks)]))
    with t.mock(*lib.FAST) as mock:
        trace = t.run(["python3", lib.CLIENTS / "sessions.py", mock.url, script]).trace
    with t.mock("--prefill-rate", "100000", "--decode-rate", "0", "--parallel", str(lineages)) as mock:
        run = t.command([lib.KVSCOPE, "replay", "--json", "--prefill-only", "-n", "3", "--arms", "asis", "-b", mock.url, trace],
                        env=lib.os.environ | {"XDG_STATE_HOME": str(t.scratch)}, limit=300)
        heard = {e["sha256"]: e["times_ns"] for e in mock.bodies()}
    differences, share = [], []
    for request in json.loads(run.out)["requests"]:
        for sample in request["arms"]["asis"]["samples"]:
            times = heard[sample["request_sha256"]]
            theirs = (times["first_content"] - times["body_complete"]) / 1e9
            differences.append((sample["ttft_seconds"] - theirs) * 1e6)
            share.append(sample["ttft_seconds"] / theirs)
    differences.sort()
    share.sort()
    return differences, share


def quantile(values, q):
    return values[min(len(values) - 1, int(q * len(values)))]


t = lib.Test()
print("client's time to first token minus the mock's own, microseconds; and as a ratio")
print("lineages  requests      min      p50      p90      p99      max   ratio p50   p99")
for lineages, turns in ((1, 100), (64, 4)):
    d, s = measure(t, lineages, turns)
    print(f"{lineages:8d}  {len(d):8d}" + "".join(f"{v:9.0f}" for v in (d[0], quantile(d, .5), quantile(d, .9), quantile(d, .99), d[-1]))
          + f"{quantile(s, .5):12.3f}{quantile(s, .99):6.2f}")
