"""Real processes on a real Redis: killed, stopped, paused and started again while people use them."""
