"""The page's style sheet, carried in the page: on a screen, by night, on a phone and on paper."""

STYLE = """
:root { color-scheme: light dark; --paper: #ffffff; --panel: #f4f6f8; --ink: #1b2733; --soft: #51606e;
  --rule: #d3dae1; --accent: #0b5c94; --second: #b04a00; --third: #14693a; --fourth: #8a2f8f;
  --limit: #b3261e;
  --p0: #0072b2; --p1: #e69f00; --p2: #009e73; --p3: #cc79a7; --p4: #56b4e9; --p5: #d55e00; --rest: #8a94a0; }
@media screen and (prefers-color-scheme: dark) { :root { --paper: #12181f; --panel: #1b242d; --ink: #e6ebf0;
  --soft: #a9b6c2; --rule: #37444f; --accent: #6cb8ec; --second: #f0a35e; --third: #6fcf97;
  --fourth: #dba0e6; --limit: #ff8a80; } }
* { box-sizing: border-box; }
body { margin: 0 auto; padding: 1.5rem 1rem 3rem; max-width: 64rem;
  background: var(--paper); color: var(--ink);
  font: 1rem/1.5 system-ui, -apple-system, "Segoe UI", "Liberation Sans", Arial, sans-serif; }
header { border-bottom: 2px solid var(--accent); padding-bottom: 1rem; }
header .kind { margin: 0; color: var(--soft); font-size: .85rem; letter-spacing: .04em; }
h1 { font-size: 1.3rem; line-height: 1.4; margin: .3rem 0 .9rem; font-weight: 600; }
h2 { font-size: 1.1rem; margin: 2.2rem 0 .6rem; padding-bottom: .25rem;
  border-bottom: 1px solid var(--rule); }
h3 { font-size: 1rem; margin: 1.4rem 0 .4rem; }
p { margin: .5rem 0; max-width: 48rem; }
h1, dd, figcaption, li, .card { overflow-wrap: anywhere; }
.words td { overflow-wrap: break-word; max-width: 24rem; }
th bdi, td bdi { display: inline-block; width: max-content; max-width: 14rem; overflow-wrap: anywhere; }
a { color: var(--accent); }
.note { color: var(--soft); font-size: .9rem; }
.badge { display: inline-block; padding: .2rem .7rem; border-radius: 1rem; font-weight: 600; color: #ffffff;
  background: #51606e; }
.badge.none { background: #a61b13; }
.badge.heuristic { background: #8a5200; }
.badge.computational { background: #0b5c94; }
.badge.perfect { background: #14693a; }
.facts { display: grid; grid-template-columns: max-content 1fr; gap: .25rem 1.5rem; margin: .5rem 0; }
.facts dt { color: var(--soft); }
.facts dd { margin: 0; }
.wide { overflow-x: auto; margin: .6rem 0 1.1rem; }
table { border-collapse: collapse; font-size: .9rem; font-variant-numeric: tabular-nums; }
table.words { min-width: 34rem; }
caption { text-align: left; color: var(--soft); padding-bottom: .3rem; }
th, td { padding: .35rem .7rem; border-bottom: 1px solid var(--rule); vertical-align: top; text-align: left; }
.figures td, .figures thead th { text-align: right; }
.figures th:first-child { text-align: left; }
thead th { background: var(--panel); vertical-align: bottom; }
tbody th { font-weight: 600; }
td ul { list-style: none; margin: 0; padding: 0; }
.cards { display: grid; grid-template-columns: repeat(auto-fill, minmax(15rem, 1fr)); gap: .8rem;
  margin: .8rem 0; }
.card { padding: .7rem .9rem; }
.card h3 { margin: 0; font-size: .9rem; font-weight: 600; color: var(--soft); }
.card .value { margin: .1rem 0; font-size: 1.5rem; font-weight: 600; line-height: 1.3; }
.card .value small { font-size: .9rem; font-weight: 400; color: var(--soft); }
.card p { margin: 0; font-size: .9rem; }
.charts { display: grid; grid-template-columns: repeat(auto-fill, minmax(min(26rem, 100%), 1fr)); gap: 1rem; }
.chart { display: block; width: 100%; max-width: 40rem; height: auto; margin: 1rem 0; }
.chart text { fill: var(--ink); font-size: 12px; }
.chart .label { fill: var(--soft); }
.grid { stroke: var(--rule); }
.axis { stroke: var(--soft); }
.limit { stroke: var(--limit); stroke-width: 1.5; stroke-dasharray: 2 3; }
.curve polyline { fill: none; stroke-width: 2; }
.curve { fill: none; stroke-width: 1.5; }
.curve0 { stroke: var(--accent); fill: var(--accent); }
.curve1 { stroke: var(--second); } .curve1 polyline { stroke-dasharray: 7 4; }
.curve2 { stroke: var(--third); } .curve2 polyline { stroke-dasharray: 2 3; }
.curve3 { stroke: var(--fourth); } .curve3 polyline { stroke-dasharray: 9 3 2 3; }
.bar { display: block; width: 100%; max-width: 48rem; height: 1.5rem; margin: .6rem 0; }
.part { stroke: var(--paper); stroke-width: 2; }
.part0 { fill: var(--p0); } .part1 { fill: var(--p1); } .part2 { fill: var(--p2); }
.part3 { fill: var(--p3); } .part4 { fill: var(--p4); } .part5 { fill: var(--p5); }
.rest { fill: var(--rest); }
.legend { list-style: none; margin: .4rem 0; padding: 0; display: flex; flex-wrap: wrap; gap: .2rem 1.4rem;
  font-size: .9rem; }
.views { display: grid; grid-template-columns: repeat(auto-fill, minmax(18rem, 1fr)); gap: 1rem; }
figure, .card { background: var(--panel); border: 1px solid var(--rule); border-radius: .5rem; }
figure { margin: 0; padding: .7rem; }
figure img { display: block; width: 100%; height: auto; background: #000000; }
figcaption { margin-top: .5rem; font-size: .9rem; }
footer { margin-top: 2.5rem; border-top: 1px solid var(--rule); padding-top: .6rem; }
@media (max-width: 34rem) { .facts { grid-template-columns: 1fr; gap: 0; } .facts dd { margin-bottom: .5rem; }
  .views { grid-template-columns: 1fr; } th, td { padding: .3rem .45rem; } }
@media print { body { max-width: none; padding: 0; font-size: 10pt; } .wide { overflow: visible; }
  table { font-size: 8pt; } th, td { padding: .15rem .3rem; }
  th bdi { max-width: 9rem; }
  .cards, .views { grid-template-columns: 1fr 1fr 1fr; } .chart { max-width: 28rem; }
  h2 { break-after: avoid; }
  figure, .card, tr, .chart, .bar { break-inside: avoid; }
  * { print-color-adjust: exact; -webkit-print-color-adjust: exact; } }
"""
