"""The scorecard's scale: 600 points are odds of 50 to 1 for paying, 20 more points double them."""

POINTS_TO_DOUBLE, ANCHOR_POINTS, ANCHOR_ODDS = 20.0, 600.0, 50.0
