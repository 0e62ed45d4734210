//! The network between a component's container and the broker.

use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use sluice_tests::eventually;

use crate::catalogue::{Fault, How};
use crate::node::HEARTBEAT;
use crate::row::Row;
use crate::stage::{Cx, Run, Setup};

/// The component whose network it is: the step in the middle, which consumes and publishes.
const VICTIM: &str = "faulty";

pub(crate) const FAULTS: &[Fault] = &[
    Fault {
        number: "F10",
        name: "black hole between component and broker",
        inject: "iptables DROP both ways in the container's network, for 25 s at a heartbeat of 5 s",
        undo: "the rules removed",
        expected: "lost 0; the broker closes the connection within two heartbeats and 5 s; no container restarts",
        how: How::Runs(|cx| Box::pin(black_hole(cx))),
    },
    Fault {
        number: "F11",
        name: "resets, flapping",
        inject: "iptables REJECT with tcp-reset, a second on, a second off, ten times",
        undo: "the rule removed",
        expected: "lost 0; no storm: at most four connections of the container afterwards",
        how: How::Runs(|cx| Box::pin(flapping(cx))),
    },
    Fault {
        number: "F12",
        name: "lossy link",
        inject: "20 % of the packets dropped both ways for 20 s (the kernel of this machine has no netem for delays)",
        undo: "the rules removed",
        expected: "lost 0; no container is taken for dead",
        how: How::Runs(|cx| Box::pin(lossy(cx))),
    },
    Fault {
        number: "F13",
        name: "one-way partition",
        inject: "DROP of what the container gets for 15 s, then of what it sends for 15 s",
        undo: "the rules removed",
        expected: "lost 0; what came again has its id",
        how: How::Runs(|cx| Box::pin(one_way(cx))),
    },
];

/// A packet rule of a container's network: what it does to packets from or to the broker.
struct Rule {
    chain: &'static str,
    side: &'static str,
    does: &'static [&'static str],
}

const SENT: Rule = Rule { chain: "OUTPUT", side: "--dport", does: &["-j", "DROP"] };
const GOT: Rule = Rule { chain: "INPUT", side: "--sport", does: &["-j", "DROP"] };

impl Rule {
    async fn apply(&self, run: &Run, verb: &str, port: u16) -> Result<()> {
        let port = port.to_string();
        let mut arguments = vec!["iptables", "-w", verb, self.chain, "-p", "tcp", self.side, &port];
        arguments.extend(self.does);
        run.in_network(VICTIM, &arguments).await
    }

    async fn begin(&self, run: &Run, port: u16) -> Result<()> {
        self.apply(run, "-I", port).await
    }

    async fn end(&self, run: &Run, port: u16) -> Result<()> {
        self.apply(run, "-D", port).await
    }
}

async fn black_hole(cx: &mut Cx) -> Result<Row> {
    let mut run = cx.begin(Setup::default()).await?;
    run.somewhere(0.2, 0.4).await?;
    let (port, before) = (cx.node.port(), run.started().await?);
    run.strike();
    let begun = Instant::now();
    for rule in [SENT, GOT] {
        rule.begin(&run, port).await?;
    }
    let bar = Duration::from_secs(2 * HEARTBEAT + 5);
    let closed = eventually("the broker to close the connections", bar, || async {
        let open = run.connections(VICTIM).await?;
        ensure!(open == 0, "{open} are open");
        Ok(Some(()))
    })
    .await;
    run.detected();
    tokio::time::sleep(Duration::from_secs(25).saturating_sub(begun.elapsed())).await;
    for rule in [SENT, GOT] {
        rule.end(&run, port).await?;
    }
    run.mended();
    run.drained().await?;
    let after = run.started().await?;
    let mut row = run.finish().await?;
    row.check("the broker closes the connections in time", closed.is_ok());
    row.check("no container restarts", before == after);
    Ok(row)
}

async fn flapping(cx: &mut Cx) -> Result<Row> {
    const RESET: Rule =
        Rule { chain: "OUTPUT", side: "--dport", does: &["-j", "REJECT", "--reject-with", "tcp-reset"] };
    let mut run = cx.begin(Setup::default()).await?;
    run.at(0.2).await?;
    let port = cx.node.port();
    run.strike();
    for _ in 0..10 {
        RESET.begin(&run, port).await?;
        tokio::time::sleep(Duration::from_secs(1)).await;
        RESET.end(&run, port).await?;
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
    run.mended();
    run.drained().await?;
    // Those that were cut off are known to the broker for two heartbeats more.
    let settled = eventually("the connections to settle", Duration::from_secs(6 * HEARTBEAT), || async {
        let open = run.connections(VICTIM).await?;
        ensure!((1..=4).contains(&open), "{open} are open");
        Ok(Some(open))
    })
    .await;
    let mut row = run.finish().await?;
    row.note(format!("{} connections afterwards", settled.as_ref().map_or(0, |open| *open)));
    row.check("at most four connections afterwards", settled.is_ok());
    Ok(row)
}

async fn lossy(cx: &mut Cx) -> Result<Row> {
    const SOME: &[&str] = &["-m", "statistic", "--mode", "random", "--probability", "0.2", "-j", "DROP"];
    let rules = [
        Rule { chain: "OUTPUT", side: "--dport", does: SOME },
        Rule { chain: "INPUT", side: "--sport", does: SOME },
    ];
    let mut run = cx.begin(Setup::default()).await?;
    run.at(0.2).await?;
    let (port, before) = (cx.node.port(), run.started().await?);
    run.strike();
    for rule in &rules {
        rule.begin(&run, port).await?;
    }
    let arrived = run.load.ledger.arrived();
    tokio::time::sleep(Duration::from_secs(20)).await;
    let meanwhile = run.load.ledger.arrived() - arrived;
    for rule in &rules {
        rule.end(&run, port).await?;
    }
    run.mended();
    run.drained().await?;
    let after = run.started().await?;
    let mut row = run.finish().await?;
    row.note(format!("{meanwhile} messages in the 20 s"));
    row.check("no container is taken for dead", before == after);
    Ok(row)
}

async fn one_way(cx: &mut Cx) -> Result<Row> {
    let mut run = cx.begin(Setup::default()).await?;
    run.at(0.2).await?;
    let port = cx.node.port();
    run.strike();
    for rule in [GOT, SENT] {
        rule.begin(&run, port).await?;
        tokio::time::sleep(Duration::from_secs(15)).await;
        rule.end(&run, port).await?;
    }
    run.mended();
    run.finish().await
}
