"""``./dev COMMAND``, inside the virtual environment."""

import argparse
import sys

from config.local import LocalFailure
from config.local.processes import Stop, stop_on_signals


def main(arguments: list[str]) -> int:
    command, rest = arguments[0], arguments[1:]
    stop_on_signals()
    if command == "test":
        from config.local.testing import run_tests

        return run_tests(rest)
    if command == "manage":
        from config.local.manage import manage

        return manage(rest)
    if command == "check":
        from config.local.quality import check

        return check(rest)
    if command == "lock":
        from config.local.quality import lock

        return lock(rest)
    if command == "bench":
        from config.local.benchmarks import bench

        return bench(rest)
    options = parse(command, rest)
    if command == "faults":
        from config.local.faults import faults

        return faults(share=options.share, chosen=options.chosen)
    if command == "demo":
        from config.local.demo import demo

        return demo(port=options.port, size=options.size, reset=options.reset, leave=options.exit)
    if command == "load":
        from config.local.load import Asked, load

        return load(Asked(messages=options.messages, kills=options.kills, senders=options.workers))
    from config.local.serving import run

    return run(port=options.port)


def parse(command: str, rest: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog=f"./dev {command}")
    if command == "load":
        parser.add_argument("--messages", type=int, default=20_000, help="SMS à envoyer (défaut : 20 000)")
        parser.add_argument("--kills", type=int, default=0, help="expéditeurs tués par kill -9 pendant l’envoi")
        parser.add_argument("--workers", type=int, default=1, help="workers qui envoient (défaut : 1)")
        return parser.parse_args(rest)
    if command == "faults":
        parser.add_argument("--share", type=float, default=1, help="1 : taille réelle (défaut) ; 0 : celle de la suite")
        parser.add_argument("chosen", nargs="*", help="options de pytest, après --")
        return parser.parse_args(rest)
    parser.add_argument("--port", type=int, default=0, help="port du site (défaut : 8000, ou le premier libre)")
    if command == "demo":
        parser.add_argument("--reset", action="store_true", help="efface la base et recommence")
        parser.add_argument("--exit", action="store_true", help="s’arrête après le bilan au lieu de servir")
        parser.add_argument("--size", type=int, default=0, help="taille de la population (défaut : celle de la démo)")
    elif command != "run":
        parser.error(f"commande inconnue : {command} (voir ./dev --help)")
    return parser.parse_args(rest)


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except LocalFailure as failure:
        sys.exit(f"✗ {failure}")
    except (Stop, KeyboardInterrupt):
        sys.exit(130)
