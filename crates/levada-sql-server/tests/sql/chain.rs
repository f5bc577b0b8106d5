//! The bank through three views, each over the one before it, under kills and power cuts.

use super::{broker::Teller, rig::Rig};
use levada_model::Outcome;
use serde_json::Value;
use std::collections::BTreeSet;

const BANK: &str = "
    CREATE TABLE debits (account BIGINT, amount BIGINT) WITH ('format' = 'json');
    CREATE TABLE credits (account BIGINT, amount BIGINT) WITH ('format' = 'json');
    CREATE MATERIALIZED TABLE moves AS
      SELECT account, amount AS credited, CAST(0 AS BIGINT) AS debited FROM credits
      UNION ALL SELECT account, CAST(0 AS BIGINT), amount FROM debits;
    CREATE MATERIALIZED TABLE accounts AS
      SELECT account, SUM(credited) AS credited, SUM(debited) AS debited FROM moves GROUP BY account;
    CREATE MATERIALIZED TABLE totals (PRIMARY KEY (k) NOT ENFORCED) AS
      SELECT 1 AS k, SUM(credited) AS credited, SUM(credited) - SUM(debited) AS balance FROM accounts;";

const TRANSFERS: i64 = 60;

/// Debit and credit in one transaction; every seventh is given up.
async fn transfers(rig: &Rig, life: i64) -> i64 {
    let mut teller = Teller::new(rig.base(), "teller").await;
    let mut credited = 0;
    for number in life * TRANSFERS..(life + 1) * TRANSFERS {
        let amount = number + 1;
        let before = rig.statement("refresh-totals").await["epochs"].as_u64().unwrap();
        let side = |account: i64| format!(r#"{{"account": {account}, "amount": {amount}}}"#);
        teller.write("debits", 0, &side(number % 5)).await;
        teller.write("credits", 0, &side(number % 7)).await;
        let outcome = if number % 7 == 3 { Outcome::Abort } else { Outcome::Commit };
        teller.end(outcome).await;
        credited += if outcome == Outcome::Commit { amount } else { 0 };
        // However busy the machine is, totals are shown in between.
        if outcome == Outcome::Commit && number % 2 == 0 {
            rig.wait(async || rig.statement("refresh-totals").await["epochs"].as_u64().unwrap() > before).await;
        }
    }
    credited
}

#[tokio::test]
async fn no_view_of_views_shows_half_of_a_transfer_whatever_ends() {
    let mut rig = Rig::new().await;
    rig.sql(BANK).await;
    let mut credited = 0;
    for life in 0..5 {
        credited += transfers(&rig, life).await;
        // Whatever is under way.
        rig = match life % 2 {
            0 => rig.after_power_cut(u64::try_from(life).unwrap()).await,
            _ => rig.after_kill().await,
        };
    }
    let last = || async {
        let rows = rig.rows("SELECT credited, balance FROM totals").await;
        rows.first().is_some_and(|row| row["credited"] == credited && row["balance"] == 0)
    };
    rig.wait(async || last().await).await;
    let shown: Vec<Value> = rig.values("totals").iter().map(|value| serde_json::from_str(value).unwrap()).collect();
    assert!(shown.iter().all(|row| row["balance"] == 0), "{shown:?}");
    let distinct: BTreeSet<i64> = shown.iter().map(|row| row["credited"].as_i64().unwrap()).collect();
    assert!(distinct.len() >= 100, "{} totals were seen", distinct.len());
    // None is shown twice.
    assert_eq!(distinct.len(), shown.len());
}
