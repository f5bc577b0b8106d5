//! Bytes from strangers: whatever comes, only its own connection suffers.

use crate::rig::{Client, ORDERS, Rig};
use levada_model::{Rng as _, SeededRng};
use std::time::Duration;
use tokio::time::Instant;

async fn ends(client: &mut Client) -> Vec<String> {
    let mut said = Vec::new();
    while let Some(message) = client.message().await {
        said.push(message.shown());
    }
    said
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_beginning_ends_the_connection() {
    let rig = Rig::new().await;
    let beginnings: [&[u8]; 7] = [
        b"GET / HTTP/1.1\r\n\r\n",
        &[0, 0, 0, 7, 0, 3, 0],
        &[0xff; 8],
        &[0x7f, 0xff, 0xff, 0xff, 0, 3, 0, 0],
        &[0, 0, 0, 9, 0, 3, 0, 0, b'u'],
        &[0, 0, 0, 8, 0, 2, 0, 0],
        &[0, 0, 0, 8, 4, 0xd2, 0x16, 0x2e],
    ];
    for beginning in beginnings {
        let mut client = rig.stranger().await;
        client.bytes(beginning).await;
        let said = ends(&mut client).await;
        assert!(said.is_empty() || said[0].starts_with("0A000 "), "{beginning:?}: {said:?}");
    }
    let mut good = rig.client().await;
    assert_eq!(good.ask("SELECT 1 AS a").await[1], "1");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_message_ends_the_connection_and_says_so() {
    let rig = Rig::new().await;
    let messages: [&[u8]; 8] = [
        &[b'Q', 0, 0, 0, 3],
        &[b'Q', 0x7f, 0xff, 0xff, 0xff],
        &[b'S', 0, 2, 0, 0],
        &[b'B', 1, 0, 0, 5],
        &[b'?', 0, 0, 0, 4],
        b"Q\0\0\0\x09SELEC",
        b"Q\0\0\0\x06\xff\0",
        b"P\0\0\0\x0a\0\0\xff\xff\0\0",
    ];
    for message in messages {
        let mut client = rig.client().await;
        client.bytes(message).await;
        let said = ends(&mut client).await;
        assert!(said.len() == 1 && said[0].starts_with("08P01 "), "{message:?}: {said:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn random_bytes_and_broken_messages_hurt_nobody_else() {
    let rig = Rig::new().await;
    let mut good = rig.client().await;
    good.ask(ORDERS).await;
    let seed = 20_260_727;
    println!("seed {seed}");
    let rng = SeededRng::new(seed);
    let below = |limit: u64| usize::try_from(rng.next_u64() % limit).unwrap();
    let sound: [&[u8]; 8] = [
        b"SELECT amount FROM orders\0",
        b"s\0SELECT $1\0\0\x01\0\0\0\x17",
        b"\0s\0\0\x01\0\x01\0\x01\0\0\0\x04\0\0\0\x05\0\0",
        b"Ss\0",
        b"\0\0\0\0\0",
        b"Pp\0",
        b"",
        b"",
    ];
    for _ in 0..300 {
        let mut client = rig.client().await;
        for _ in 0..below(6) + 1 {
            let which = below(8);
            let mut body = sound[which].to_vec();
            for _ in 0..below(3) {
                match below(3) {
                    0 if !body.is_empty() => {
                        let at = below(u64::try_from(body.len()).unwrap());
                        body[at] = u8::try_from(below(256)).unwrap();
                    }
                    1 => body.push(u8::try_from(below(256)).unwrap()),
                    _ => body.truncate(below(64)),
                }
            }
            client.send(b"QPBDECSH"[which], &body).await;
        }
        client.send(b'X', &[]).await;
        ends(&mut client).await;
    }
    assert_eq!(good.ask("SELECT 1 AS a").await[1], "1");
}

#[tokio::test(flavor = "multi_thread")]
async fn silence_is_cut_off_and_there_are_so_many_connections() {
    let rig = Rig::new().await;
    let begun = Instant::now();
    let mut silent = rig.stranger().await;
    let mut kept = Vec::new();
    for _ in 0..256 {
        kept.push(rig.client().await);
    }
    let mut beyond = rig.stranger().await;
    beyond.startup(&[("user", "ann")]).await;
    let said = ends(&mut beyond).await;
    assert!(said[0].starts_with("53300 "), "{said:?}");
    // Whoever cancels something needs no place.
    kept[0].ask(ORDERS).await;
    kept[0].ask("SET statement_timeout = '10 min'; SET levada.read_after = 'orders:0:999999'").await;
    kept[0].send(b'Q', b"SELECT COUNT(*) AS n FROM orders\0").await;
    let key = kept[0].key.clone();
    let cancelled = async {
        loop {
            rig.stranger().await.cancel(&key).await;
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    let answer = tokio::select! {
        answer = kept[0].answer() => answer,
        () = cancelled => unreachable!("it goes on"),
    };
    assert!(answer[0].starts_with("57014 "), "{answer:?}");
    assert_eq!(silent.message().await, None);
    let took = begun.elapsed();
    assert!((Duration::from_secs(9)..Duration::from_secs(40)).contains(&took), "{took:?}");
    drop(kept.pop());
    // A place is free, as soon as it is noticed.
    loop {
        let mut next = rig.stranger().await;
        next.startup(&[("user", "ann")]).await;
        if next.message().await.is_some_and(|message| message.tag == b'R') {
            next.until_ready().await;
            assert_eq!(next.ask("SELECT 1 AS a").await[1], "1");
            break;
        }
    }
    assert_eq!(kept[254].ask("SELECT 2 AS a").await[1], "2");
}
