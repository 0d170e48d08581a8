"""`python -m xtr_assets_tests.healthy [--seed N] [--count 200] [--least 1] [--most 20000]`: random projects, all
to be published."""

import argparse
import sys
import time
import warnings

from xtr_assets_tests.healthy.course import run
from xtr_assets_tests.healthy.project import Shape


def main(words: list[str]) -> int:
    """0 where every build was published."""
    parser = argparse.ArgumentParser(prog="python -m xtr_assets_tests.healthy")
    parser.add_argument("--seed", type=int, default=0, help="the first seed")
    parser.add_argument("--count", type=int, default=200, help="how many projects")
    parser.add_argument("--most", type=int, default=20_000, help="texts of the largest project")
    parser.add_argument("--least", type=int, default=1, help="texts of the smallest project")
    given = parser.parse_args(words)
    started, builds, refusals, broken = time.monotonic(), 0, 0, 0
    for seed in range(given.seed, given.seed + given.count):
        try:
            course = run(seed, given.most, least=given.least)
        except Exception as error:  # what breaks a build is a finding, and the next project is built
            broken += 1
            print(f"BROKEN {Shape.of(seed, given.most, given.least)}: {error!r}", flush=True)
            continue
        builds, refusals = builds + course.builds, refusals + len(course.refusals)
        print(f"ok {course.shape} | {course.rows} rows, {course.builds} builds, {course.seconds:.1f} CPU s", flush=True)
        for refusal in course.refusals:
            print(f"REFUSED {refusal}", flush=True)
    took = time.monotonic() - started
    print(f"{given.count} projects, {builds} builds: {refusals} refused, {broken} broken; {took:.0f} s")
    return 1 if refusals or broken else 0


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    sys.exit(main(sys.argv[1:]))
