/* SPDX-License-Identifier: MIT */
/*
 * The page's style sheet. Colours are variables, set for light, for dark and for paper; those of the charts are told
 * apart by people who do not see red and green. No '<' and no '&': it stands in the page as it is.
 */
#include "html/parts.h"

const char *const page_style[] = {
	":root{color-scheme:light dark;--paper:#fff;--card:#f6f7f9;--ink:#1b1f24;--soft:#57606a;--line:#d4d9df;"
	"--reused:#8cc5b0;--again:#d5541b;--new:#2f6fb7;--decode:#b39ddb;--client:#c9ced6;--idle:#e7eaee;--unknown:#"
	"8b949e;"
	"--old:#a1260d;--fresh:#116329;--oldbg:#ffefe9;--freshbg:#e6f6ec}\n",
	"@media (prefers-color-scheme:dark){:root{--paper:#0f1318;--card:#171d24;--ink:#e3e8ee;--soft:#9aa5b1;"
	"--line:#2e3742;--reused:#3f8f76;--again:#f0763f;--new:#5b9be0;--decode:#8f7cc0;--client:#4a5562;--idle:#"
	"28303a;"
	"--unknown:#77818d;--old:#ffab91;--fresh:#8ddb9f;--oldbg:#351c14;--freshbg:#13291b}}\n",
	"*{box-sizing:border-box}\n",
	"html{background:var(--paper);color:var(--ink);-webkit-text-size-adjust:100%}\n",
	"body{margin:0 auto;max-width:1120px;padding:24px 20px 48px;font:15px/1.5 system-ui,-apple-system,'Segoe UI',"
	"Roboto,'DejaVu Sans',sans-serif;font-variant-numeric:tabular-nums}\n",
	"h1{font-size:15px;font-weight:600;margin:0;color:var(--soft)}\n",
	"h2,h3,.note,.legend,.lead{break-after:avoid}\n",
	"h2{font-size:19px;margin:0 0 6px}\n",
	"h3{font-size:15px;margin:18px 0 6px}\n",
	".cause h3{margin:0}\n",
	"section{margin:40px 0 0}\n",
	"p{margin:0 0 10px;max-width:78ch}\n",
	".lead{font-size:21px;line-height:1.4;margin:8px 0 14px}\n",
	".sub,.note,figcaption,caption{color:var(--soft);font-size:13px;overflow-wrap:anywhere}\n",
	".sub{max-width:none;margin:2px 0}\n",
	"caption{text-align:left;padding:4px 0}\n",
	"code,pre,.mono{font-family:ui-monospace,'SF Mono',Menlo,'DejaVu Sans Mono',monospace;font-size:12.5px}\n",
	"figure{margin:0}\n",
	".tiles{display:grid;grid-template-columns:repeat(auto-fit,minmax(150px,1fr));gap:10px;padding:0;margin:18px 0 "
	"0;"
	"list-style:none}\n",
	".tiles li{background:var(--card);border:1px solid var(--line);border-radius:6px;padding:10px 12px}\n",
	".tiles b{display:block;font-size:22px;line-height:1.25}\n",
	".tiles span{color:var(--soft);font-size:13px;display:block}\n",
	".legend{display:flex;flex-wrap:wrap;gap:4px 16px;list-style:none;padding:0;margin:4px 0 8px;font-size:13px;"
	"color:var(--soft)}\n",
	".key{display:inline-block;width:11px;height:11px;border-radius:2px;margin-right:6px;vertical-align:-1px}\n",
	".key.miss,.key.calm{border-radius:50%}\n",
	"svg{display:block;overflow:visible}\n",
	"svg svg{overflow:hidden}\n",
	"svg text{font-size:11.5px;fill:var(--soft)}\n",
	"svg text.dark{fill:var(--ink)}\n",
	".reused{fill:var(--reused);background:var(--reused)}.again{fill:var(--again);background:var(--again)}\n",
	".new{fill:var(--new);background:var(--new)}.decode{fill:var(--decode);background:var(--decode)}\n",
	".client{fill:var(--client);background:var(--client)}.idle{fill:var(--idle);background:var(--idle)}\n",
	".unknown{fill:var(--unknown);background:var(--unknown)}\n",
	".tools{fill:var(--new);background:var(--new)}.system{fill:var(--decode);background:var(--decode)}\n",
	".history{fill:var(--reused);background:var(--reused)}.fresh{fill:#27a0b5;background:#27a0b5}\n",
	".memory{fill:#c9a227;background:#c9a227}.reminders{fill:var(--unknown);background:var(--unknown)}\n",
	"circle.miss{fill:var(--again)}.key.miss{background:var(--again)}\n",
	"circle.calm{fill:var(--paper);stroke:var(--soft);stroke-width:1.5}\n",
	".key.calm{background:var(--paper);border:1.5px solid var(--soft)}\n",
	"line.grid{stroke:var(--line);stroke-width:1}\n",
	"line.axis{stroke:var(--soft);stroke-width:1}\n",
	"line.cut{stroke:var(--soft);stroke-width:1;stroke-dasharray:2 3}\n",
	".rows{display:grid;grid-template-columns:max-content minmax(0,1fr);column-gap:10px}\n",
	".rows ol{list-style:none;margin:0;padding:0;font-size:11.5px;color:var(--soft);text-align:right}\n",
	".rows li{white-space:nowrap;overflow:hidden}\n",
	".bars{display:grid;grid-template-columns:max-content minmax(60px,1fr) max-content;gap:3px "
	"10px;align-items:center;"
	"font-size:13px;margin:0 0 10px}\n",
	".bars span{overflow-wrap:anywhere}\n",
	".bars .n{text-align:right;color:var(--soft)}\n",
	"details{margin:8px 0 0}details + p{margin-top:12px}\n",
	"summary{cursor:pointer;color:var(--soft);font-size:13px}\n",
	".scroll{overflow-x:auto}\n",
	"table{border-collapse:collapse;font-size:13px;margin:6px 0 0;min-width:50%}\n",
	"th,td{text-align:left;padding:3px 14px 3px 0;border-bottom:1px solid var(--line);vertical-align:top}\n",
	"th{color:var(--soft);font-weight:500}\n",
	"th.n,td.n{text-align:right;white-space:nowrap}\n",
	"tr.miss td:first-child{box-shadow:inset 3px 0 var(--again);padding-left:8px}\n",
	".cause{border:1px solid var(--line);border-radius:6px;padding:12px 14px;margin:12px 0 0;break-inside:avoid}\n",
	".cause + .note{margin-top:14px}\n",
	".cause p{margin:4px 0}\n",
	".cause .bar{margin:8px 0}\n",
	".tag{color:var(--soft);font-weight:400;font-size:13px}\n",
	"pre{margin:6px 0;padding:8px 10px;background:var(--card);border-radius:4px;white-space:pre-wrap;"
	"overflow-wrap:anywhere}\n",
	"pre del{display:block;text-decoration:none;color:var(--old);background:var(--oldbg)}\n",
	"pre ins{display:block;text-decoration:none;color:var(--fresh);background:var(--freshbg)}\n",
	"footer{margin:48px 0 0;color:var(--soft);font-size:13px;border-top:1px solid var(--line);padding:10px 0 0}\n",
	"@media (max-width:560px){body{padding:16px 12px 32px}.lead{font-size:18px}.tiles{grid-template-columns:1fr "
	"1fr}"
	".tiles b{font-size:19px}th,td{padding-right:9px;font-size:12px}}\n",
	"@media print{:root{color-scheme:light;--paper:#fff;--card:#f4f4f4;--ink:#000;--soft:#444;--line:#bbb;"
	"--reused:#8cc5b0;--again:#d5541b;--new:#2f6fb7;--decode:#b39ddb;--client:#c9ced6;--idle:#e7eaee;--unknown:#"
	"8b949e;"
	"--old:#a1260d;--fresh:#116329;--oldbg:#ffefe9;--freshbg:#e6f6ec}\n",
	"*{-webkit-print-color-adjust:exact;print-color-adjust:exact}\n",
	"body{max-width:none;padding:0;font-size:11pt}.tiles{grid-template-columns:repeat(3,1fr)}section{margin:22px 0 "
	"0}h2{break-after:avoid}\n",
	"figure,.tiles li{break-inside:avoid}.scroll{overflow:visible}}\n",
	NULL,
};
