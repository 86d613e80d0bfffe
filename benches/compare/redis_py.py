"""The Lock of redis-py, in the roles `throughput` and `handoff` of this benchmark.

It uses the protocol of the other child processes: a line when it is ready, commands on standard input, and
readings of CLOCK_MONOTONIC in the replies.
"""

import argparse
import sys
import threading
import time

import redis

TTL = 30
AFTER_ERROR = 0.001
# The pause before the reply to a release, which would wake the parent during the handoff.
QUIET = 0.002


def say(line):
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


def lock_of(client, key, options):
    """A lock with the default of 100 ms between two tries, or with 1 ms."""
    if options.tuning == "tuned":
        return client.lock(key, timeout=TTL, sleep=0.001, blocking=True)
    return client.lock(key, timeout=TTL)


def warm_up(client, options, name):
    with lock_of(client, f"{options.key}:warm:{name}", options):
        pass


def work(lock, start, end, sections, errors):
    time.sleep(max(0, start - time.monotonic_ns()) / 1e9)
    while True:
        asked = time.monotonic_ns()
        if asked >= end:
            return
        try:
            lock.acquire()
            entered = time.monotonic_ns()
            lock.release()
        except redis.RedisError:
            errors.append(asked)
            time.sleep(AFTER_ERROR)
        else:
            sections.append((asked, entered, time.monotonic_ns()))


def throughput(options):
    client = redis.Redis.from_url(options.url)
    workers = []
    for worker in range(options.workers):
        own = f"{options.key}:{options.process}:{worker}"
        lock = lock_of(client, own if options.own_keys else options.key, options)
        warm_up(client, options, f"{options.process}:{worker}")
        workers.append((lock, [], []))
    say("ready")
    start = int(sys.stdin.readline())
    end = start + options.millis * 1_000_000
    threads = [
        threading.Thread(target=work, args=(lock, start, end, sections, errors))
        for lock, sections, errors in workers
    ]
    before = time.process_time_ns()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    say(str(time.process_time_ns() - before))
    for _, sections, errors in workers:
        words = [f"{asked},{entered},{left},-" for asked, entered, left in sections]
        say(" ".join(["log", str(len(errors)), "-", *words]))


def handoff(options):
    client = redis.Redis.from_url(options.url)
    warm_up(client, options, "handoff")
    lock = lock_of(client, options.key, options)
    say("ready")
    for order in sys.stdin:
        before = time.monotonic_ns()
        if order.strip() == "hold":
            lock.acquire()
        elif order.strip() == "free":
            lock.release()
        else:
            return
        after = time.monotonic_ns()
        if order.strip() == "free":
            time.sleep(QUIET)
        say(f"{before} {after}")


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("role", choices=["throughput", "handoff"])
    parser.add_argument("--library")
    parser.add_argument("--tuning")
    parser.add_argument("--by")
    parser.add_argument("--url")
    parser.add_argument("--key")
    parser.add_argument("--own-keys", action="store_true")
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--process", type=int, default=0)
    parser.add_argument("--millis", type=int, default=0)
    options = parser.parse_args()
    {"throughput": throughput, "handoff": handoff}[options.role](options)


if __name__ == "__main__":
    main()
