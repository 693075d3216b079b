/** The server's time in the header, as it ticks: a look tells that this page is live. */
import { useEffect, useState } from "preact/hooks";

import { html } from "./html.js";
import { lang, t } from "./page.js";
import { on } from "./socket.js";
import { ticker } from "./ticker.js";

/** A clock that stands still would be worse than none. */
const GONE_AFTER_MS = 3500;

const format = new Intl.DateTimeFormat(lang, { timeStyle: "medium" });

export function Clock() {
  const [now, setNow] = useState("");
  useEffect(() => {
    let cancel = () => {};
    const stop = on("clock:tick", (tick) => {
      setNow(tick.now);
      cancel();
      cancel = ticker.after(GONE_AFTER_MS, () => setNow(""));
    });
    return () => {
      cancel();
      stop();
    };
  }, []);
  if (!now) return null;
  return html`<time class="pill-time is-wide-only" data-testid="clock" datetime=${now} title=${t("clock.title")}>
    ${format.format(new Date(now))}
  </time>`;
}
