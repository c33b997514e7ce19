# SPDX-License-Identifier: MIT
"""redis-benchmark and redis-cli against a server of their own; figures of speed are left out."""
import suite

NAME = "redis"
PACKAGES = ["redis-server", "redis-tools"]
TESTS = "ping_inline,ping_mbulk,set,get,incr,lpush,rpush,lpop,rpop,sadd,hset,spop,zadd,zpopmin,lrange_100,lrange_300,mset"


def results(runner, only=None):
    port = suite.free_port()
    found = {}
    with suite.server(["redis-server", "--port", str(port), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no"], port):
        for name, options in (("one", []), ("pipelined", ["-P", "16"]), ("threads", ["--threads", "2"]), ("no keep-alive", ["-k", "0"]),
                              ("large", ["-d", "100000", "-t", "set,get"])):
            status, out, _ = runner.run(["redis-benchmark", "-h", "127.0.0.1", "-p", str(port), "-n", "2000", "-c", "20", "-t", TESTS,
                                         "--csv", *options], limit=120)
            lines = [line.split(",")[0].strip('"') for line in out.decode().splitlines()]
            found[f"benchmark, {name}: status"] = status
            for line in lines:
                found[f"benchmark, {name}: {line}"] = "done"
        for command in ("SET a 1", "INCRBY a 41", "GET a", "LPUSH l 3 2 1", "LRANGE l 0 -1", "HSET h f v", "HGETALL h", "WRONG",
                        "EVAL return{1,2,redis.call('GET','a')} 0", "TYPE l", "EXPIRE a 0", "GET a"):
            status, out, err = runner.run(["redis-cli", "-p", str(port), *command.split(" ")])
            found[f"cli {command}"] = f"{status} {out.decode()} {err.decode()}"
    return found
