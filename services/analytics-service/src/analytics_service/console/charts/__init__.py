"""Options of charts, from what services answered: pure functions. Colours are the style sheet's, so themes switch."""
