//! Which threads of this process the processor time goes to.

use std::collections::BTreeMap;
use std::fs;
use std::time::Duration;

/// The processor time of all threads that live, by the name of the thread.
pub fn cpu() -> BTreeMap<String, Duration> {
    let mut times = BTreeMap::new();
    for task in fs::read_dir("/proc/self/task").unwrap() {
        let task = task.unwrap().path();
        // A thread may end meanwhile.
        let read = |file: &str| fs::read_to_string(task.join(file)).ok();
        if let (Some(name), Some(stat)) = (read("comm"), read("schedstat")) {
            // The first number is the time on a processor, in ns.
            let ran = stat.split(' ').next().unwrap().parse().unwrap();
            *times.entry(name.trim().to_owned()).or_default() += Duration::from_nanos(ran);
        }
    }
    times
}
