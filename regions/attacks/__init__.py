"""What one party, or a coalition, can find out from the blocks that it received."""

from regions.attacks.strips import JoinScore, StripPairs, join_strips, score_pairs

__all__ = ["JoinScore", "StripPairs", "join_strips", "score_pairs"]
