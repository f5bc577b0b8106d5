//! How a connection begins: what it wishes for, who it is, what it sets, or whom it cancels.

use crate::{
    Shared,
    out::text,
    problem::Problem,
    settings::Settings,
    wire::{Body, Io, WireError},
};
use bytes::BufMut as _;

const CANCEL: i32 = 80_877_102;
const TLS: i32 = 80_877_103;
const GSS: i32 = 80_877_104;
/// Wishes for encryption before it begins.
const WISHES_MAX: usize = 2;
/// The major version that is spoken.
const MAJOR: i32 = 3;

/// Who connects.
#[derive(Debug)]
pub(crate) struct Started {
    pub(crate) user: String,
    pub(crate) database: String,
    pub(crate) settings: Settings,
}

/// Reads who connects; nobody where somebody only cancels, or is gone, or is refused.
pub(crate) async fn startup(io: &mut Io, shared: &Shared) -> Result<Option<Started>, WireError> {
    for _ in 0..=WISHES_MAX {
        let Some(body) = io.startup().await? else { return Ok(None) };
        let mut body = Body(body);
        match body.i32()? {
            TLS | GSS => io.answer(b'N').await?,
            CANCEL => {
                let (backend, secret) = (body.i32()?, body.i32()?);
                shared.cancels.cancel(backend, secret);
                return Ok(None);
            }
            version if version >> 16 == MAJOR => {
                let started = read(body, shared.parts.version)?;
                return match started {
                    Ok((started, unknown)) => {
                        negotiate(io, version & 0xffff, &unknown);
                        Ok(Some(started))
                    }
                    Err(problem) => refuse(io, &problem).await,
                };
            }
            version => {
                let (major, minor) = (version >> 16, version & 0xffff);
                let message = format!("version {major}.{minor} of the protocol is not supported; 3.0 is");
                return refuse(io, &Problem::fatal("0A000", message)).await;
            }
        }
    }
    Err(WireError::Protocol("it only asks for encryption".to_owned()))
}

async fn refuse(io: &mut Io, problem: &Problem) -> Result<Option<Started>, WireError> {
    io.out.problem(problem);
    io.flush().await?;
    Ok(None)
}

/// Says what of the protocol is not known.
fn negotiate(io: &mut Io, minor: i32, unknown: &[String]) {
    if minor == 0 && unknown.is_empty() {
        return;
    }
    io.out.message(b'v', |body| {
        body.put_i32(MAJOR << 16);
        body.put_i32(i32::try_from(unknown.len()).unwrap_or(0));
        unknown.iter().for_each(|option| text(body, option));
    });
}

type Read = Result<(Started, Vec<String>), Problem>;

fn read(mut body: Body, version: &str) -> Result<Read, WireError> {
    let mut started = Started { user: String::new(), database: String::new(), settings: Settings::new(version) };
    let (mut settings, mut unknown) = (Vec::new(), Vec::new());
    loop {
        let name = body.text()?;
        if name.is_empty() {
            break;
        }
        let value = body.text()?;
        match name.as_str() {
            "user" => started.user = value,
            "database" => started.database = value,
            "options" => settings.extend(options(&value)),
            "replication" if matches!(value.as_str(), "false" | "off" | "no" | "0") => {}
            "replication" => return Ok(Err(Problem::fatal("0A000", "replication is not supported"))),
            name if name.starts_with("_pq_.") => unknown.push(name.to_owned()),
            // Times are shown in UTC, and said to be: whoever reads them knows the moment.
            name if name.eq_ignore_ascii_case("timezone") => {}
            _ => settings.push((name, value)),
        }
    }
    if started.user.is_empty() {
        return Ok(Err(Problem::fatal("28000", "no user is named").with_hint("any name will do")));
    }
    if started.database.is_empty() {
        started.database.clone_from(&started.user);
    }
    for (name, value) in settings {
        if let Err(problem) = started.settings.set(&name, &value) {
            return Ok(Err(Problem { severity: crate::problem::Severity::Fatal, ..problem }));
        }
    }
    Ok(Ok((started, unknown)))
}

/// The settings of `-c name=value`.
fn options(text: &str) -> Vec<(String, String)> {
    let mut found = Vec::new();
    let mut words = text.split_whitespace();
    while let Some(word) = words.next() {
        let pair = match word.strip_prefix("-c") {
            Some("") => words.next(),
            Some(pair) => Some(pair),
            None => word.strip_prefix("--"),
        };
        match pair.and_then(|pair| pair.split_once('=')) {
            Some((name, value)) => found.push((name.replace('-', "_"), value.to_owned())),
            // It is refused as a setting that there is not.
            None => found.push((word.to_owned(), String::new())),
        }
    }
    found
}
