"""The pages in a real browser, on a whole running Pulso; and what stands behind them by itself."""
