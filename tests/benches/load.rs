//! A load generator for `tests/bench`: closed loop, one connection a caller, one thread.
//!
//! It is light on purpose: it shares two cores with what it measures. It refuses to judge answers
//! beyond their status, their length and the number of their events.

use std::{
    cell::RefCell,
    error::Error,
    fs,
    io::{self, Write},
    rc::Rc,
    time::{Duration, Instant},
};

use bytes::Bytes;
use clap::Parser;
use http::{Request, StatusCode, Uri};
use http_body_util::{BodyExt, Full};
use hyper::{
    body::Incoming,
    client::conn::http1::{SendRequest, handshake},
};
use hyper_util::rt::TokioIo;
use tokio::{net::TcpStream, task::LocalSet};

type Fault = Box<dyn Error>;

/// Sends chat requests as fast as the answers come.
#[derive(Parser, Debug)]
struct Args {
    /// Where to post
    url: Uri,
    /// Bodies, one a line, taken in turn
    bodies: String,
    /// How many callers
    #[arg(long, default_value_t = 16)]
    callers: usize,
    /// For how long no caller stops
    #[arg(long, default_value_t = 3.0)]
    seconds: f64,
    /// The bearer token
    #[arg(long, default_value = "none")]
    key: String,
}

/// What all callers have seen.
#[derive(Debug, Default)]
struct Tally {
    /// Time of each good answer, to its last byte.
    micros: Vec<u64>,
    /// Time to the first byte of its body.
    first_micros: Vec<u64>,
    /// Ends of events in their bodies.
    events: u64,
    /// Everything else.
    errors: u64,
    /// The first of them.
    example: Option<String>,
}

impl Tally {
    /// Notes one answer; whether it was a good one.
    fn enter(&mut self, took: Duration, answer: Result<Answer, Fault>) -> bool {
        match answer {
            Ok(answer) => {
                self.micros.push(micros(took));
                self.first_micros.push(micros(answer.first));
                self.events += answer.events;
                true
            }
            Err(error) => {
                self.errors += 1;
                self.example.get_or_insert_with(|| error.to_string());
                false
            }
        }
    }
}

/// What each caller needs.
#[derive(Debug)]
struct Task {
    authority: String,
    url: Uri,
    authorization: String,
    bodies: Vec<Bytes>,
    until: Instant,
    tally: RefCell<Tally>,
}

/// What one answer was like.
struct Answer {
    first: Duration,
    events: u64,
}

fn main() -> Result<(), Fault> {
    let args = Args::parse();
    let text = fs::read_to_string(&args.bodies)?;
    let seconds = Duration::from_secs_f64(args.seconds);
    let started = Instant::now();
    let task = Rc::new(Task {
        authority: args.url.authority().ok_or("the URL needs a host and a port")?.to_string(),
        url: args.url.clone(),
        authorization: format!("Bearer {}", args.key),
        bodies: text.lines().map(|line| Bytes::from(line.to_owned())).collect(),
        until: started + seconds,
        tally: RefCell::default(),
    });
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let callers = LocalSet::new();
    for number in 0..args.callers {
        let task = Rc::clone(&task);
        callers.spawn_local(async move { task.call(number).await });
    }
    runtime.block_on(callers);
    report(&task.tally.borrow(), started.elapsed())?;
    Ok(())
}

impl Task {
    /// One caller: request after request until the time is over.
    async fn call(&self, number: usize) {
        let mut line = None;
        for body in self.bodies.iter().cycle().skip(number) {
            let now = Instant::now();
            if now >= self.until {
                break;
            }
            let answer = self.ask(&mut line, body.clone()).await;
            if !self.tally.borrow_mut().enter(now.elapsed(), answer) {
                line = None;
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        }
    }

    /// One request, over the caller's own connection.
    async fn ask(
        &self,
        line: &mut Option<SendRequest<Full<Bytes>>>,
        body: Bytes,
    ) -> Result<Answer, Fault> {
        let started = Instant::now();
        let request = Request::post(self.url.path())
            .header("host", &self.authority)
            .header("authorization", &self.authorization)
            .header("content-type", "application/json")
            .body(Full::new(body))?;
        let mut open = match line.take() {
            Some(open) => open,
            None => self.connect().await?,
        };
        open.ready().await?;
        let response = open.send_request(request).await?;
        if response.status() != StatusCode::OK {
            return Err(format!("status {}", response.status()).into());
        }
        let answer = read(response.into_body(), started).await?;
        *line = Some(open);
        Ok(answer)
    }

    async fn connect(&self) -> Result<SendRequest<Full<Bytes>>, Fault> {
        let stream = TcpStream::connect(&self.authority).await?;
        stream.set_nodelay(true)?;
        let (open, driver) = handshake(TokioIo::new(stream)).await?;
        tokio::task::spawn_local(driver);
        Ok(open)
    }
}

/// Reads a body to its end, counting blank lines: each ends an event.
async fn read(mut body: Incoming, started: Instant) -> Result<Answer, Fault> {
    let mut answer = Answer { first: Duration::ZERO, events: 0 };
    let mut after_newline = false;
    while let Some(frame) = body.frame().await {
        let Ok(data) = frame?.into_data() else { continue };
        if answer.first.is_zero() {
            answer.first = started.elapsed();
        }
        for byte in &data {
            let newline = *byte == b'\n';
            answer.events += u64::from(newline && after_newline);
            after_newline = newline && !after_newline;
        }
    }
    if answer.first.is_zero() {
        return Err("an empty body".into());
    }
    Ok(answer)
}

/// One line of JSON.
fn report(tally: &Tally, took: Duration) -> io::Result<()> {
    let mut whole = tally.micros.clone();
    let mut first = tally.first_micros.clone();
    whole.sort_unstable();
    first.sort_unstable();
    let line = serde_json::json!({
        "requests": whole.len(),
        "errors": tally.errors,
        "error": tally.example,
        "events": tally.events,
        "seconds": took.as_secs_f64(),
        "p50_us": quantile(&whole, 50),
        "p99_us": quantile(&whole, 99),
        "first_p50_us": quantile(&first, 50),
        "first_p99_us": quantile(&first, 99),
    });
    writeln!(io::stdout(), "{line}")
}

/// The value below which so many hundredths of the sorted values lie.
fn quantile(sorted: &[u64], hundredths: usize) -> u64 {
    let at = (sorted.len() * hundredths / 100).min(sorted.len().saturating_sub(1));
    sorted.get(at).copied().unwrap_or_default()
}

fn micros(took: Duration) -> u64 {
    u64::try_from(took.as_micros()).unwrap_or(u64::MAX)
}
