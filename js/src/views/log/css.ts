// The style sheet of a log view: the CSS files of its components, in cascade order.

import overlayCss from "../dom/overlay.css?inline";
import wrapCss from "../dom/wrap.css?inline";
import findCss from "./find.css?inline";
import textCss from "./line-text.css?inline";
import linesCss from "./lines.css?inline";
import viewCss from "./log-view.css?inline";
import menuCss from "./menu.css?inline";
import narrowCss from "./narrow.css?inline";
import { panelsCss } from "./panels/panels.js";
import treeCss from "./tree.css?inline";

export const css =
  viewCss + linesCss + textCss + treeCss + overlayCss + panelsCss + findCss + menuCss + narrowCss + wrapCss;
