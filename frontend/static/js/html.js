/** Markup in template strings, rendered by Preact: every value that goes in becomes text. */
import htm from "htm";
import { h } from "preact";

export const html = htm.bind(h);
