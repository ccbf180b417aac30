//! What the system says of this process, under the names that every exporter of Prometheus uses.

use std::fs;

use rustix::{
    process::{Resource, getrlimit},
    time::{ClockId, clock_gettime},
};

use crate::record::{Gauge, GaugeReading};

/// CPU, memory, threads and file descriptors; where the system does not say, there is no line.
#[allow(clippy::cast_precision_loss, reason = "bytes and seconds, told to the nearest few")]
pub(super) fn read() -> Vec<GaugeReading> {
    let cpu = clock_gettime(ClockId::ProcessCPUTime);
    let cpu = cpu.tv_sec as f64 + cpu.tv_nsec as f64 / 1e9;
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let said = |name: &str| field(&status, name).map(|it| it as f64);
    let bytes = |name: &str| said(name).map(|kib| kib * 1024.0);
    let readings = [
        (Gauge::ProcessCpu, Some(cpu)),
        (Gauge::ProcessResident, bytes("VmRSS")),
        (Gauge::ProcessVirtual, bytes("VmSize")),
        (Gauge::ProcessThreads, said("Threads")),
        (Gauge::ProcessOpenFds, open_fds().map(|it| it as f64)),
        (Gauge::ProcessMaxFds, getrlimit(Resource::Nofile).current.map(|it| it as f64)),
    ];
    let said = readings.into_iter().filter_map(|(gauge, value)| Some((gauge, value?)));
    said.map(|(gauge, value)| GaugeReading::number(gauge, [], value)).collect()
}

/// A number of `/proc/self/status`; of memory, in KiB.
fn field(status: &str, name: &str) -> Option<u64> {
    let rest = status.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'))?;
    rest.split_whitespace().next()?.parse().ok()
}

/// Open file descriptors. Newer kernels say their number at once; under others they are counted.
fn open_fds() -> Option<u64> {
    const FOLDER: &str = "/proc/self/fd";
    match fs::metadata(FOLDER).ok()?.len() {
        0 => u64::try_from(fs::read_dir(FOLDER).ok()?.count()).ok(),
        number => Some(number),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_found_by_their_whole_names() {
        let status = "Name:\tsignalbox\nVmSizeMax:\t  1 kB\nVmSize:\t  73036 kB\nThreads:\t5\n";
        assert_eq!(field(status, "VmSize"), Some(73_036));
        assert_eq!(field(status, "Threads"), Some(5));
        assert_eq!((field(status, "VmRSS"), field(status, "Name")), (None, None));
    }

    #[test]
    fn the_system_says_all_of_them_here() {
        assert!(!cfg!(target_os = "linux") || read().len() == 6, "{:?}", read());
    }
}
