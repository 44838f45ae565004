"""What a report holds, built by hand: every figure another, so that each can be looked for."""

from typing import Any

import numpy as np

from cloudsec.pictures import View


def example(providers: int = 9, *, lost: bool = True, searched: bool = False) -> dict[str, Any]:
    """The fields of a job at so many providers: one may have failed, regions may have been searched."""
    names = [f"http://127.0.0.1:{40930 + i}" for i in range(providers)]
    losses = {
        "provider": names[-1],
        "reason": "it did not answer within 61 s",
        "blocks": 29,
        "at_stand_ins": {names[0]: 11} if providers > 1 else {},
        "at_home": 18,
    }
    without = {"worst_pixel_share": 0.1117, "worst_gradient_share": 0.1209}
    leakage = {
        "worst_pixel_share": 0.1133,
        "worst_gradient_share": 0.1322,
        "assembled_area": [0.0021, 0.0064, 0.0617, 0.4417, 0.8118][:providers],
        "adjacent_area": [0.0033, 0.0083, 0.0743, 0.4719, 0.8325][:providers],
        "bound": "exact",
        "collusion_threshold": 4,
        "anonymity_set": 37,
        "over_study": True,
    }
    if lost:
        leakage["without_losses"] = without | {"assembled_area": [0.0012, 0.0051, 0.0553, 0.4347][:providers]}
    search = {
        "generations": 6,
        "thresholds": [3.9614, 6.3437, 7.9091],
        "convergence": [1.5432, 1.5123, 1.5123, 1.4981, 1.4876, 1.4876],
    }
    return {
        "scheme": "ga-es",
        "assurance": "heuristic",
        "statement": "Each provider received at most 13.3% of the pixels; a block is not encrypted.",
        "stronger_scheme": "additive",
        "choice": "auto took 'ga-es': because",
        "operation": "gaussian sigma=2 truncate=4",
        "image": {"shape": [509, 521], "dtype": "uint16"},
        "home": {"pixel_share": 0.2155, "reasons": {"edge": 0.0651, "ring": 0.1207, "lost": 0.0297}},
        "providers": [
            {
                "name": name,
                "pixel_share": 0.0871 + i / 1000,
                "received_share": 0.1512 + i / 1000,
                "gradient_share": 0.3013 + i / 1000,
                "bytes_up": 134_817 + 1000 * i,
                "bytes_down": 91_222 + 1000 * i,
                "tasks": 201 + i,
                "seconds": 0.0312 + i / 100,
                "retries": 301 + i,
                "verified": 401 + i,
            }
            for i, name in enumerate(names)
        ],
        "losses": [losses] if lost else [],
        "leakage": leakage,
        "paper_metrics": {
            "cor": {"value": 0.8713, "ceiling": 1.0, "components": [0.8713], "ceilings": [1.0]},
            "npcr": {"value": 0.9951, "ceiling": 0.9967, "components": [0.9951], "ceilings": [0.9967]},
            "uaci": {"value": 0.2143, "ceiling": 0.2319, "components": [0.2143], "ceilings": [0.2319]},
            "entropy": {
                "value": 9.1253,
                "ceiling": 12.0417,
                "components": [9.1007, 9.2011, 9.0741],
                "ceilings": [12.0001, 12.1002, 12.0248],
            },
        },
        "plan": {
            "block": 48,
            "regions": providers,
            "halo_policy": "shared",
            "tolerate": 2,
            "predicted_seconds": 0.2871,
            "reused": True,
        }
        | (search if searched else {}),
        "exact": "by construction, and 73 blocks were computed again at home and agreed",
        "timings": {
            "plan": 0.0123,
            "protect": 0.0345,
            "deliver": 0.2567,
            "recover": 0.0189,
            "finish": 0.0011,
            "total": 0.3235,
            "cpu": 0.2876,
        },
    }


def nothing_sent(providers: int = 4) -> dict[str, Any]:
    """The fields of a job that was computed at home as a whole."""
    fields = example(providers, lost=False)
    for provider in fields["providers"]:
        for figure in provider.keys() - {"name"}:
            provider[figure] = 0
    fields["home"] = {"pixel_share": 1.0, "reasons": {"small": 1.0}}
    fields["leakage"] |= {"assembled_area": [], "adjacent_area": [], "collusion_threshold": None}
    fields["leakage"] |= {"worst_pixel_share": 0.0, "worst_gradient_share": 0.0, "anonymity_set": 0}
    fields["paper_metrics"] = {}
    fields["plan"] |= {"regions": 0, "halo_policy": None}
    return fields


def views(fields: dict[str, Any], blocks: int = 5, side: int = 6) -> list[View]:
    """Blocks that each provider could have been sent."""
    generator = np.random.default_rng(0)
    return [
        View(provider["name"], generator.integers(0, 4096, (blocks, side, side), np.uint16))
        for provider in fields["providers"]
    ]
