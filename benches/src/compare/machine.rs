//! What the machine was when something was measured.

use std::fs;

use super::cores::Cores;

/// The machine in lines: processor, system, who ran where, what else went on.
#[must_use]
pub fn describe(cores: &Cores) -> Vec<String> {
    let read = |path: &str| fs::read_to_string(path).ok().map(|text| text.trim().to_owned());
    let info = read("/proc/cpuinfo").unwrap_or_default();
    let model = info.lines().find_map(|line| line.strip_prefix("model name")?.split_once(": "));
    let model = model.map_or("unknown", |(_, name)| name);
    let count = std::thread::available_parallelism().map_or(1, usize::from);
    let virtual_one = info.lines().any(|line| line.starts_with("flags") && line.contains(" hypervisor"));
    let system = read("/proc/sys/kernel/osrelease").unwrap_or_default();
    let governor = read("/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor");
    let mut lines = vec![
        format!("processor: {model}, {count} for us{}", if virtual_one { ", virtual" } else { "" }),
        format!("Linux {system}, governor {}", governor.as_deref().unwrap_or("not told")),
        match cores.apart() {
            Some((server, load)) => format!("servers on processor {server}, the load generator on {load}"),
            None => "servers and the load generator share all processors".to_owned(),
        },
    ];
    lines.extend(load_average());
    lines
}

/// How many wanted to run, in the last one, five and fifteen minutes.
#[must_use]
pub(super) fn load_average() -> Option<String> {
    let text = fs::read_to_string("/proc/loadavg").ok()?;
    let words: Vec<&str> = text.split(' ').take(3).collect();
    Some(format!("load average {}", words.join(", ")))
}
