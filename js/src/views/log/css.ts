// The style sheet of a log view: the CSS files of its components, in cascade order.

import announcerCss from "../dom/announcer.css?inline";
import baseCss from "../dom/base.css?inline";
import popupCss from "../dom/popup.css?inline";
import sizeCss from "../dom/size.css?inline";
import chipsCss from "./chips.css?inline";
import filterBarCss from "./filter-bar.css?inline";
import findCss from "./find.css?inline";
import keysCss from "./keys.css?inline";
import textCss from "./line-text.css?inline";
import linesCss from "./lines.css?inline";
import menuCss from "./menu.css?inline";
import narrowCss from "./narrow.css?inline";
import noticesCss from "./notices.css?inline";
import overlayCss from "./overlay-bars.css?inline";
import { panelsCss } from "./panels/panels.js";
import marksCss from "./scrollbar-marks.css?inline";
import treeCss from "./tree.css?inline";
import wrapCss from "./wrap.css?inline";

const lines = linesCss + textCss + treeCss + noticesCss + marksCss + overlayCss;
const filters = filterBarCss + findCss + chipsCss;
const dom = popupCss + menuCss + keysCss + sizeCss + announcerCss;

export const css = baseCss + lines + panelsCss + filters + dom + narrowCss + wrapCss;
