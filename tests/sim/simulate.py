"""Run the simulator over many seeds, on all processors: `make sim [SEED=..] [COUNT=..]`.

Without a seed it begins at a random one. Prints the rate, and for a seed that fails the story and
the command that repeats it; exits 1 then.
"""

import argparse
import logging
import os
import random
import sys
import time
from concurrent.futures import ProcessPoolExecutor

import sim_world

CHUNK = 10


def run_some(seeds: range) -> tuple[int, str]:
    """How many passed, and the story of the first that did not."""
    logging.disable(logging.CRITICAL)
    for number, seed in enumerate(seeds):
        try:
            sim_world.run(seed)
        except sim_world.PromiseBroken as broken:
            return number, f"{broken}\nagain with: make sim SEED={seed} COUNT=1"
    return len(seeds), ""


def main() -> int:
    parser = argparse.ArgumentParser(description="Storms of faults, from one seed each.")
    parser.add_argument("--seed", type=int, default=0, help="the first one; 0: a random one")
    parser.add_argument("--count", type=int, default=100)
    found = parser.parse_args()
    first = found.seed or random.SystemRandom().randrange(1, 1 << 40)
    print(f"seeds {first} to {first + found.count - 1}", flush=True)
    chunks = [
        range(start, min(start + CHUNK, first + found.count))
        for start in range(first, first + found.count, CHUNK)
    ]
    begun_s = time.monotonic()
    passed = 0
    with ProcessPoolExecutor(os.cpu_count()) as pool:
        for count, story in pool.map(run_some, chunks):
            passed += count
            if story:
                print(story)
                pool.shutdown(cancel_futures=True)
                return 1
    took_s = time.monotonic() - begun_s
    print(f"{passed} seeds passed in {took_s:.0f} s, {passed / took_s:.1f} a second")
    return 0


if __name__ == "__main__":
    sys.exit(main())
