//! A scripted backend for scenario tests: one simulated model, in process, on a port of its own.

use signalbox::sim::{Fleet, InjectedFault, ModelSpec, Seen, Setting};

/// The id of the one model that an [`SimBackend`] serves.
pub(crate) const MODEL: &str = "scripted";

/// The model that an [`SimBackend`] is by default: a token at once, then one each half millisecond.
pub(crate) fn quick() -> ModelSpec {
    ModelSpec::plain(MODEL).paced(0, 2_000)
}

/// A running backend. It ends when this is dropped.
#[derive(Debug)]
pub(crate) struct SimBackend {
    fleet: Fleet,
}

impl SimBackend {
    /// A quick model without oddities.
    pub(crate) fn start() -> Self {
        Self::with(quick())
    }

    /// The same, with a fault from the start.
    pub(crate) fn failing(fault: InjectedFault) -> Self {
        Self::with(quick().faulty(fault))
    }

    /// A model of any kind; its id is replaced by [`MODEL`].
    pub(crate) fn with(mut spec: ModelSpec) -> Self {
        spec.id = MODEL.into();
        let fleet = Fleet::start(&[spec], Setting::default()).expect("a loopback port");
        Self { fleet }
    }

    /// The base URLs of all replicas.
    pub(crate) fn urls(&self) -> Vec<String> {
        self.fleet.urls(MODEL)
    }

    /// From now on it fails like this.
    pub(crate) async fn fail(&self, fault: InjectedFault) {
        self.fleet.fault(MODEL, None, Some(fault), None).await.expect("the model is there");
    }

    /// From now on one of its replicas fails like this.
    pub(crate) async fn fail_replica(&self, replica: usize, fault: InjectedFault) {
        let one = Some(replica);
        self.fleet.fault(MODEL, one, Some(fault), None).await.expect("the replica is there");
    }

    /// The next so many requests of each replica fail like this.
    pub(crate) async fn fail_times(&self, fault: InjectedFault, times: u32) {
        self.fleet.fault(MODEL, None, Some(fault), Some(times)).await.expect("the model is there");
    }

    /// From now on every so manieth request fails like this.
    pub(crate) async fn fail_one_in(&self, fault: InjectedFault, one_in: u32) {
        let order = serde_json::json!({ "model": MODEL, "fault": fault.name(), "one_in": one_in });
        let url = format!("{}/sim/fault", self.fleet.control_url());
        let told = super::gateway::client().post(url).body(order.to_string()).send().await;
        assert_eq!(told.expect("an answer").status(), 200);
    }

    /// From now on it works.
    pub(crate) async fn mend(&self) {
        self.fleet.fault(MODEL, None, None, None).await.expect("the model is there");
    }

    /// Closes one replica's port and drops all its connections at once.
    pub(crate) async fn kill(&self, replica: usize) {
        self.fleet.kill(MODEL, Some(replica)).await.expect("the replica is there");
    }

    /// Opens the port again.
    pub(crate) async fn revive(&self, replica: usize) {
        self.fleet.revive(MODEL, Some(replica)).await.expect("the replica is there");
    }

    /// What it has seen so far.
    pub(crate) fn seen(&self) -> Seen {
        self.fleet.seen(MODEL).expect("the model is there")
    }

    /// The last request's body, as JSON.
    pub(crate) fn last_body(&self) -> serde_json::Value {
        let last = self.seen().last.expect("a request was seen");
        serde_json::from_slice(&last.body).expect("JSON")
    }

    /// One header of the last request.
    pub(crate) fn last_header(&self, name: &str) -> Option<String> {
        let last = self.seen().last.expect("a request was seen");
        Some(last.headers.get(name)?.to_str().expect("text").to_owned())
    }

    /// Waits until what was seen is as expected.
    pub(crate) async fn until(&self, expected: impl Fn(&Seen) -> bool) -> Seen {
        let look = async || {
            let seen = self.seen();
            if expected(&seen) { Ok(seen) } else { Err(seen) }
        };
        super::wait::found("what the backend is to have seen", look).await
    }
}
