//! Statistics on data from elsewhere: lines of units, arms and values in the order of time.

mod row;
mod units;

use std::{collections::HashMap, mem};

use serde::Serialize;

pub(crate) use self::row::RowFault;
use self::{row::Row, units::Units};
use super::stats::{Moments, Sequence, ShareTest, compare};

/// Arms of one experiment at the most.
const ARMS_MAX: usize = 256;

/// How the data are to be read.
#[derive(Clone, Debug, Default)]
pub(crate) struct Options {
    /// The arm that the others are compared with; else the first of the shares, else the first arm of the
    /// experiment's data.
    pub control: Option<String>,
    /// The probability that any interval of an experiment is ever wrong.
    pub alpha: f64,
    /// The share of the units that each arm should have; equal shares where none are named.
    pub shares: Vec<(String, f64)>,
    /// Lines of an experiment between two looks; without it, only its end is one.
    pub look_every: Option<u64>,
}

/// One arm of one experiment against its control, at one look.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(crate) struct Look {
    /// The experiment's name; `None` where the data name none.
    pub experiment: Option<Box<str>>,
    /// Which look of the experiment this is, from 1.
    pub look: u64,
    /// The units of each arm, in the order in which the arms came.
    pub units: Counts,
    /// The arm; `None` where there is none beside the control.
    pub arm: Option<Box<str>>,
    /// The control.
    pub control: Option<Box<str>>,
    /// The arm's mean less the control's.
    pub difference: Option<f64>,
    /// Where the true difference is, at every look at once; `None` before there is enough to say it.
    pub low: Option<f64>,
    /// Its upper end.
    pub high: Option<f64>,
    /// Whether the interval leaves zero out.
    pub significant: bool,
    /// The p-value of the arms' shares, over all looks until now.
    pub srm_p: f64,
    /// Whether the experiment's data end here.
    #[serde(rename = "final")]
    pub is_final: bool,
    /// The means of arm and control.
    #[serde(skip)]
    pub means: (Option<f64>, Option<f64>),
}

/// The units of each arm.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Counts(pub Vec<(Box<str>, u64)>);

impl Serialize for Counts {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.iter().map(|(arm, units)| (arm, units)))
    }
}

/// All experiments of one stream of lines, as far as it is read.
pub(crate) struct Evaluation {
    options: Options,
    /// By the experiment's name.
    places: HashMap<Box<str>, usize>,
    /// Of the lines that name no experiment.
    unnamed: Option<usize>,
    running: Vec<Running>,
}

/// One experiment.
struct Running {
    name: Option<Box<str>>,
    arms: Vec<Arm>,
    units: Units,
    shares: ShareTest,
    /// Lines since the last look.
    lines: u64,
    /// The number of the last line.
    last_line: u64,
    looks: u64,
    /// The last look, until it is known whether it was the end.
    held: Vec<Look>,
}

struct Arm {
    name: Box<str>,
    moments: Moments,
}

impl Evaluation {
    /// Nothing read yet.
    pub(crate) fn new(options: Options) -> Self {
        Self { options, places: HashMap::new(), unnamed: None, running: Vec::new() }
    }

    /// Reads the next line, and gives the looks that are due by now.
    ///
    /// # Errors
    /// What is wrong with the line, and in which field.
    pub(crate) fn read(&mut self, line: u64, text: &str) -> Result<Vec<Look>, RowFault> {
        let row = Row::read(line, text)?;
        let name = row.experiment.as_deref();
        let known = match name {
            Some(name) => self.places.get(name).copied(),
            None => self.unnamed,
        };
        let at = known.unwrap_or_else(|| self.begin(name));
        let Some(running) = self.running.get_mut(at) else { return Ok(Vec::new()) };
        let due = mem::take(&mut running.held);
        running.take(&row, &self.options)?;
        if self.options.look_every.is_some_and(|every| running.lines >= every) {
            running.look(&self.options);
        }
        Ok(due)
    }

    /// Begins the experiment of this name; gives its place.
    fn begin(&mut self, name: Option<&str>) -> usize {
        let at = self.running.len();
        match name {
            Some(name) => drop(self.places.insert(name.into(), at)),
            None => self.unnamed = Some(at),
        }
        self.running.push(Running::new(name, &self.options));
        at
    }

    /// The last look of each experiment, in the order in which they began.
    ///
    /// # Errors
    /// When an experiment has no control.
    pub(crate) fn end(mut self) -> Result<Vec<Look>, RowFault> {
        let mut looks = Vec::new();
        for mut running in mem::take(&mut self.running) {
            if running.lines > 0 {
                running.look(&self.options);
            }
            running.has_control(&self.options)?;
            let last = running.held.into_iter();
            looks.extend(last.map(|look| Look { is_final: true, ..look }));
        }
        Ok(looks)
    }
}

impl Running {
    fn new(name: Option<&str>, options: &Options) -> Self {
        let arms = options.shares.iter().map(|(arm, _)| Arm::new(arm, 0.0)).collect();
        Self {
            name: name.map(Box::from),
            arms,
            units: Units::default(),
            shares: ShareTest::default(),
            lines: 0,
            last_line: 0,
            looks: 0,
            held: Vec::new(),
        }
    }

    fn take(&mut self, row: &Row<'_>, options: &Options) -> Result<(), RowFault> {
        if self.last_line == 0 {
            // All arms of an experiment count from one origin, so that they can be added up.
            self.arms.iter_mut().for_each(|arm| arm.moments = Moments::new(row.value));
        }
        self.lines += 1;
        self.last_line = row.line;
        let at = self.arm(row, options)?;
        let Some(arm) = self.arms.get_mut(usize::from(at)) else { return Ok(()) };
        self.units.add(&row.unit, row.value, at, &mut arm.moments).map_err(|other| {
            let other = self.arms.get(usize::from(other)).map_or("another", |arm| &*arm.name);
            row.moved(other)
        })
    }

    fn arm(&mut self, row: &Row<'_>, options: &Options) -> Result<u16, RowFault> {
        let found = self.arms.iter().position(|arm| *arm.name == *row.arm);
        let at = match found {
            Some(at) => at,
            None if !options.shares.is_empty() => {
                let names = options.shares.iter().map(|(name, _)| name.as_str());
                return Err(row.no_such_arm(&names.collect::<Vec<_>>().join(", ")));
            }
            None if self.arms.len() == ARMS_MAX => return Err(row.too_many_arms(ARMS_MAX)),
            None => {
                let origin = self.arms.first().map_or(row.value, |arm| arm.moments.origin());
                self.arms.push(Arm::new(&row.arm, origin));
                self.arms.len() - 1
            }
        };
        Ok(u16::try_from(at).unwrap_or(u16::MAX))
    }

    /// The control, if it has come.
    fn control(&self, options: &Options) -> Option<&Arm> {
        match &options.control {
            Some(name) => self.arms.iter().find(|arm| *arm.name == **name),
            None => self.arms.first(),
        }
    }

    fn has_control(&self, options: &Options) -> Result<(), RowFault> {
        match self.control(options) {
            Some(arm) if arm.moments.count() > 0 => Ok(()),
            _ => {
                let control = options.control.as_deref();
                let first = self.arms.first().map(|arm| &*arm.name);
                let control = control.or(first).unwrap_or_default();
                Err(RowFault::no_control(self.last_line, control, self.name.as_deref()))
            }
        }
    }

    /// Looks at the experiment as it is now.
    fn look(&mut self, options: &Options) {
        self.lines = 0;
        self.looks += 1;
        #[expect(clippy::cast_precision_loss, reason = "256 arms at the most")]
        let equal = 1.0 / self.arms.len().max(1) as f64;
        let share = |at: usize| options.shares.get(at).map_or(equal, |(_, share)| *share);
        let arms = &self.arms;
        self.shares.look((0..).zip(arms).map(|(at, arm)| (arm.moments.n(), share(at))));
        self.held = self.compared(options);
    }

    fn compared(&self, options: &Options) -> Vec<Look> {
        let control = self.control(options);
        let others = || {
            let is_control = |arm: &&Arm| control.is_some_and(|it| it.name == arm.name);
            self.arms.iter().filter(move |arm| !is_control(arm))
        };
        // Each comparison has its part of the probability to err (Bonferroni).
        let count = u16::try_from(others().count().max(1)).unwrap_or(u16::MAX);
        let sequence = Sequence::new(options.alpha / f64::from(count));
        if others().next().is_none() {
            return vec![self.said(None, control, sequence)];
        }
        others().map(|arm| self.said(Some(arm), control, sequence)).collect()
    }

    fn said(&self, arm: Option<&Arm>, control: Option<&Arm>, sequence: Sequence) -> Look {
        let empty = Moments::new(0.0);
        let moments = |it: Option<&Arm>| it.map_or(empty, |it| it.moments);
        let mean = |it: Option<&Arm>| it.map(|it| it.moments.mean()).filter(|it| it.is_finite());
        let compared = compare(&moments(arm), &moments(control), sequence);
        Look {
            experiment: self.name.clone(),
            look: self.looks,
            units: Counts(
                self.arms.iter().map(|it| (it.name.clone(), it.moments.count())).collect(),
            ),
            arm: arm.map(|it| it.name.clone()),
            control: control.map(|it| it.name.clone()),
            difference: compared.difference,
            low: compared.interval.map(|(low, _)| low),
            high: compared.interval.map(|(_, high)| high),
            significant: compared.is_significant(),
            srm_p: self.shares.p(),
            is_final: false,
            means: (mean(arm), mean(control)),
        }
    }
}

impl Arm {
    fn new(name: &str, origin: f64) -> Self {
        Self { name: name.into(), moments: Moments::new(origin) }
    }
}

#[cfg(test)]
mod tests;
