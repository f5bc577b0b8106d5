//! The server on a port of this machine, and a client that knows nothing but messages.

use crate::broker;
use bytes::{Buf as _, BufMut as _, BytesMut};
use levada_model::SeededRng;
use levada_sql_server::{Parts, Service};
use std::{net::SocketAddr, sync::Arc, time::Duration};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
};

pub(crate) const ORDERS: &str = "CREATE TABLE orders (customer STRING, amount BIGINT) WITH ('format' = 'json')";

pub(crate) struct Rig {
    pub(crate) base: broker::Rig,
    pub(crate) service: Arc<Service>,
    pub(crate) address: SocketAddr,
}

impl Rig {
    pub(crate) async fn new() -> Self {
        let base = broker::Rig::new();
        let parts = Parts {
            handle: base.handle.clone(),
            spawn: Arc::new(|_, task| drop(tokio::runtime::Handle::current().spawn(task))),
            sleep: Arc::new(|span| Box::pin(tokio::time::sleep(span))),
            state_size_max: 64 << 20,
            schemas: None,
        };
        let spawn = Arc::clone(&parts.spawn);
        let service = Service::start(parts).await.unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let parts = levada_pgwire::Parts {
            service: Arc::clone(&service),
            spawn: Arc::clone(&spawn),
            rng: Arc::new(SeededRng::new(1)),
            version: "0",
        };
        spawn("serve", Box::pin(levada_pgwire::serve(listener, parts)));
        Self { base, service, address }
    }

    pub(crate) async fn produce(&self, topic: &str, values: &[&str]) {
        self.base.produce(topic, 0, values).await.unwrap();
    }

    /// Somebody who has said who they are.
    pub(crate) async fn client(&self) -> Client {
        let mut client = self.stranger().await;
        client.startup(&[("user", "ann"), ("database", "levada")]).await;
        let messages = client.until_ready().await;
        assert_eq!(messages[0], Message::of(b'R', &[0, 0, 0, 0]));
        let key = messages.iter().find(|message| message.tag == b'K').unwrap();
        client.key = key.body.clone();
        client
    }

    /// Somebody who has said nothing.
    pub(crate) async fn stranger(&self) -> Client {
        let stream = TcpStream::connect(self.address).await.unwrap();
        Client { stream, read: BytesMut::new(), key: Vec::new() }
    }
}

/// A message of the server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Message {
    pub(crate) tag: u8,
    pub(crate) body: Vec<u8>,
}

impl Message {
    pub(crate) fn of(tag: u8, body: &[u8]) -> Self {
        Self { tag, body: body.to_vec() }
    }

    /// The field of an error.
    pub(crate) fn field(&self, field: u8) -> Option<String> {
        let mut parts = self.body.split(|byte| *byte == 0).filter(|part| !part.is_empty());
        parts.find_map(|part| (part[0] == field).then(|| String::from_utf8(part[1..].to_vec()).unwrap()))
    }

    /// What a person reads of it: rows with `|` between their values, `-` for NULL.
    pub(crate) fn shown(&self) -> String {
        match self.tag {
            b'D' => {
                let mut body = &self.body[..];
                let count = body.get_i16();
                let value = |body: &mut &[u8]| match usize::try_from(body.get_i32()) {
                    Ok(size) => {
                        let (value, rest) = body.split_at(size);
                        *body = rest;
                        String::from_utf8_lossy(value).into_owned()
                    }
                    Err(_) => "-".to_owned(),
                };
                (0..count).map(|_| value(&mut body)).collect::<Vec<_>>().join("|")
            }
            b'C' => String::from_utf8_lossy(&self.body[..self.body.len() - 1]).into_owned(),
            b'E' => format!("{} {}", self.field(b'C').unwrap(), self.field(b'M').unwrap()),
            b'N' => format!("notice {}", self.field(b'M').unwrap()),
            b'T' => {
                let names = self.columns().into_iter().map(|(name, oid, format)| format!("{name}:{oid}:{format}"));
                names.collect::<Vec<_>>().join(" ")
            }
            b'Z' => char::from(self.body[0]).to_string(),
            tag => char::from(tag).to_string(),
        }
    }

    /// Name, type and format of each column.
    fn columns(&self) -> Vec<(String, u32, i16)> {
        let mut body = &self.body[..];
        let count = body.get_i16();
        let column = |body: &mut &[u8]| {
            let end = body.iter().position(|byte| *byte == 0).unwrap();
            let name = String::from_utf8(body[..end].to_vec()).unwrap();
            body.advance(end + 1 + 6);
            let oid = body.get_u32();
            body.advance(6);
            (name, oid, body.get_i16())
        };
        (0..count).map(|_| column(&mut body)).collect()
    }
}

pub(crate) struct Client {
    stream: TcpStream,
    read: BytesMut,
    /// The number and the secret of a connection.
    pub(crate) key: Vec<u8>,
}

impl Client {
    pub(crate) async fn bytes(&mut self, bytes: &[u8]) {
        // Whoever was cut off notices it when they read.
        drop(self.stream.write_all(bytes).await);
    }

    /// Stops what a connection does, as another.
    pub(crate) async fn cancel(&mut self, key: &[u8]) {
        self.bytes(&[&16_i32.to_be_bytes()[..], &80_877_102_i32.to_be_bytes(), key].concat()).await;
        assert_eq!(self.message().await, None);
    }

    pub(crate) async fn startup(&mut self, pairs: &[(&str, &str)]) {
        let mut body = vec![0, 3, 0, 0];
        for (name, value) in pairs {
            body.extend([name.as_bytes(), &[0], value.as_bytes(), &[0]].concat());
        }
        body.push(0);
        let size = i32::try_from(body.len() + 4).unwrap();
        self.bytes(&[&size.to_be_bytes()[..], &body].concat()).await;
    }

    pub(crate) async fn send(&mut self, tag: u8, body: &[u8]) {
        let size = i32::try_from(body.len() + 4).unwrap();
        self.bytes(&[&[tag][..], &size.to_be_bytes(), body].concat()).await;
    }

    /// The next message; none where the connection ended.
    pub(crate) async fn message(&mut self) -> Option<Message> {
        let read = async {
            loop {
                if self.read.len() >= 5 {
                    let size = usize::try_from((&self.read[1..5]).get_i32()).unwrap() + 1;
                    if self.read.len() >= size {
                        let message = self.read.split_to(size);
                        return Some(Message::of(message[0], &message[5..]));
                    }
                }
                if self.stream.read_buf(&mut self.read).await.unwrap_or(0) == 0 {
                    return None;
                }
            }
        };
        tokio::time::timeout(Duration::from_secs(60), read).await.expect("an answer comes")
    }

    pub(crate) async fn byte(&mut self) -> u8 {
        while self.read.is_empty() {
            assert_ne!(self.stream.read_buf(&mut self.read).await.unwrap(), 0);
        }
        self.read.get_u8()
    }

    pub(crate) async fn until_ready(&mut self) -> Vec<Message> {
        let mut messages = Vec::new();
        while messages.last().is_none_or(|message: &Message| message.tag != b'Z') {
            messages.push(self.message().await.expect("the connection goes on"));
        }
        messages
    }

    /// What the server says until it is ready again.
    pub(crate) async fn answer(&mut self) -> Vec<String> {
        self.until_ready().await.iter().map(Message::shown).collect()
    }

    /// The same to a text.
    pub(crate) async fn ask(&mut self, sql: &str) -> Vec<String> {
        self.send(b'Q', &[sql.as_bytes(), &[0]].concat()).await;
        self.answer().await
    }

    /// Its one error.
    pub(crate) async fn refused(&mut self, sql: &str) -> Message {
        self.send(b'Q', &[sql.as_bytes(), &[0]].concat()).await;
        let messages = self.until_ready().await;
        messages.into_iter().find(|message| message.tag == b'E').unwrap_or_else(|| panic!("{sql} is not refused"))
    }

    pub(crate) async fn parse(&mut self, name: &str, sql: &str, oids: &[u32]) {
        let mut body = BytesMut::new();
        put_texts(&mut body, &[name, sql]);
        body.put_u16(u16::try_from(oids.len()).unwrap());
        oids.iter().for_each(|oid| body.put_u32(*oid));
        self.send(b'P', &body).await;
    }

    /// Binds values, all in one format, and asks for answers in another.
    pub(crate) async fn bind(&mut self, portal: &str, name: &str, values: &[Option<&[u8]>], formats: [i16; 2]) {
        let mut body = BytesMut::new();
        put_texts(&mut body, &[portal, name]);
        body.put_i16(1);
        body.put_i16(formats[0]);
        body.put_u16(u16::try_from(values.len()).unwrap());
        for value in values {
            match value {
                Some(value) => {
                    body.put_i32(i32::try_from(value.len()).unwrap());
                    body.put_slice(value);
                }
                None => body.put_i32(-1),
            }
        }
        body.put_i16(1);
        body.put_i16(formats[1]);
        self.send(b'B', &body).await;
    }

    pub(crate) async fn describe(&mut self, what: u8, name: &str) {
        self.send(b'D', &[&[what][..], name.as_bytes(), &[0]].concat()).await;
    }

    pub(crate) async fn execute(&mut self, portal: &str, rows_max: i32) {
        self.send(b'E', &[portal.as_bytes(), &[0], &rows_max.to_be_bytes()].concat()).await;
    }

    pub(crate) async fn sync(&mut self) -> Vec<String> {
        self.send(b'S', &[]).await;
        self.answer().await
    }
}

fn put_texts(body: &mut BytesMut, texts: &[&str]) {
    for text in texts {
        body.put_slice(text.as_bytes());
        body.put_u8(0);
    }
}
