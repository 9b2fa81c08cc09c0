/** The report page's style: light and dark, wide and narrow; figures take the page's inks through the classes of their parts. */
export const reportStyle: string = `
:root { color-scheme: light dark; --ink: #1c1c1c; --soft: #5a5a5a; --line: #dcdcd8; --page: #fbfbf8; --card: #fff; --good: #00704f; --bad: #a83800; }
@media (prefers-color-scheme: dark) { :root { --ink: #ececea; --soft: #a9a9a5; --line: #3b3b39; --page: #151514; --card: #1e1e1c; --good: #4cc79b; --bad: #ff9a5c; } }
* { box-sizing: border-box; }
body { margin: 0 auto; max-width: 72rem; padding: 2.5rem 1.25rem 4rem; background: var(--page); color: var(--ink); font: 16px/1.55 system-ui, "DejaVu Sans", sans-serif; -webkit-text-size-adjust: 100%; }
h1 { margin: 0; font-size: 1.75rem; line-height: 1.2; overflow-wrap: anywhere; } h2 { margin: 2.75rem 0 .75rem; font-size: 1.2rem; } h3 { margin: 0 0 .25rem; font-size: 1rem; }
p, ul { margin: .5rem 0; max-width: 46rem; } ul { padding-left: 1.2rem; } li { margin: .35rem 0; }
.soft { color: var(--soft); } .good { color: var(--good); } .bad { color: var(--bad); } .small { font-size: .85rem; }
.columns { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(20rem, 100%), 1fr)); gap: 1.25rem; margin-top: 1.5rem; }
.columns section { padding: 1rem 1.2rem; background: var(--card); border: 1px solid var(--line); border-radius: .5rem; }
.scroll { overflow-x: auto; background: var(--card); border: 1px solid var(--line); border-radius: .5rem; }
table { border-collapse: collapse; width: 100%; font-variant-numeric: tabular-nums; font-size: .9rem; line-height: 1.35; }
th, td { padding: .5rem .6rem; border-bottom: 1px solid var(--line); text-align: right; white-space: nowrap; vertical-align: top; }
tbody tr:last-child > * { border-bottom: 0; }
th:first-child { position: sticky; left: 0; background: var(--card); text-align: left; } tbody th { font-weight: 600; } td.text, th.text { text-align: left; }
td small.wrap { white-space: normal; min-width: 6rem; margin-left: auto; max-width: 9rem; }
td.prose { text-align: left; white-space: normal; min-width: 16rem; }
thead th { color: var(--soft); font-weight: 600; vertical-align: bottom; } td small, th small { display: block; font-weight: 400; color: var(--soft); }
figure { margin: 1rem 0 1.75rem; } .plate { overflow-x: auto; padding: .75rem; background: var(--card); border: 1px solid var(--line); border-radius: .5rem; }
.plate svg { display: block; width: 100%; max-width: 58rem; height: auto; min-width: 38rem; margin: auto; } figcaption { margin-top: .5rem; max-width: 46rem; color: var(--soft); font-size: .9rem; }
.plate .paper { fill: var(--card); } .plate .ink { fill: var(--ink); } .plate .soft { fill: var(--soft); } .plate .good { fill: var(--good); } .plate .bad { fill: var(--bad); } .plate .rule { stroke: var(--line); } .plate .axis, .plate .outline { stroke: var(--ink); } .plate .dot { stroke: var(--card); }
details { margin: .5rem 0; } summary { cursor: pointer; padding: .2rem 0; } pre { overflow-x: auto; background: var(--card); border: 1px solid var(--line); border-radius: .5rem; padding: .8rem; font-size: .8rem; line-height: 1.4; }
dl { display: grid; grid-template-columns: max-content minmax(0, 1fr); gap: .3rem 1rem; margin: .5rem 0 1rem; font-size: .9rem; } dt { color: var(--soft); } dd { margin: 0; overflow-wrap: anywhere; }
@media (max-width: 40rem) { body { padding: 1.5rem .9rem 3rem; } h1 { font-size: 1.4rem; } dl { grid-template-columns: minmax(0, 1fr); gap: 0; } dd { margin-bottom: .5rem; } tbody th { white-space: normal; min-width: 7.5rem; } }
@media print { body { max-width: none; padding: 0; } figure, tr { break-inside: avoid; } }
`;
