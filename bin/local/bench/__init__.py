"""What wan22 takes beside others: time, as ratios of turns; memory of a card, counted."""
