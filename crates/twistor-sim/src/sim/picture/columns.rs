//! Which column of the page a host is in. Many hosts whose names differ in a number share one.

use std::collections::BTreeMap;

use super::scene::{CLIENT, Conn, SERVER, Scene};

#[derive(Debug)]
pub(super) struct Columns {
    pub(super) all: Vec<Column>,
    /// The column of each host.
    pub(super) of: Vec<usize>,
    /// Where columns are, and where the picture ends.
    pub(super) x: Vec<f64>,
    pub(super) right: f64,
}

#[derive(Debug)]
pub(super) struct Column {
    pub(super) label: String,
    pub(super) hosts: Vec<usize>,
}

impl Columns {
    /// A column a host, in the order in which they were made, if those are at most `most`; otherwise as few as the names allow, and
    /// never more.
    pub(super) fn new(scene: &Scene, most: usize) -> Self {
        let alone = scene.hosts.iter().map(|host| host.name.clone()).collect();
        let mut columns = Self::by_name(alone);
        if columns.all.len() > most {
            columns = Self::by_name(scene.hosts.iter().map(|host| stem(&host.name)).collect());
        }
        if columns.all.len() > most {
            let kept: Vec<String> =
                columns.all.iter().take(most - 1).map(|column| column.label.clone()).collect();
            let names = scene.hosts.iter().map(|host| stem(&host.name));
            columns = Self::by_name(
                names.map(|name| if kept.contains(&name) { name } else { "others".to_owned() }).collect(),
            );
        }
        for column in &mut columns.all {
            if column.hosts.len() > 1 {
                column.label = format!("{} ({})", column.label, column.hosts.len());
            } else if let Some(host) = column.hosts.first() {
                column.label.clone_from(&scene.hosts[*host].name);
            }
        }
        columns
    }

    fn by_name(names: Vec<String>) -> Self {
        let mut columns = Self { all: Vec::new(), of: Vec::new(), x: Vec::new(), right: 0.0 };
        let mut places = BTreeMap::new();
        for (host, name) in names.into_iter().enumerate() {
            let place = *places.entry(name).or_insert_with_key(|name| {
                columns.all.push(Column { label: name.clone(), hosts: Vec::new() });
                columns.all.len() - 1
            });
            columns.all[place].hosts.push(host);
            columns.of.push(place);
        }
        columns
    }

    /// Whether several hosts share one.
    pub(super) fn are_shared(&self) -> bool {
        self.all.iter().any(|column| column.hosts.len() > 1)
    }

    /// The columns of both ends, if they are known.
    pub(super) fn of_conn(&self, conn: &Conn) -> [Option<usize>; 2] {
        [CLIENT, SERVER].map(|side| conn.hosts[side].map(|host| self.of[host]))
    }

    /// The connections by the columns of their ends, those of a client together; without those whose client is not known.
    pub(super) fn pairs<'a>(&self, scene: &'a Scene) -> BTreeMap<(usize, Option<usize>), Vec<&'a Conn>> {
        let mut pairs: BTreeMap<_, Vec<&Conn>> = BTreeMap::new();
        for conn in &scene.conns {
            let [client, server] = self.of_conn(conn);
            // One end is enough: the other is somewhere else.
            if let Some(place) = client.or(server) {
                let other = if client.is_some() { server } else { None };
                pairs.entry((place, other)).or_default().push(conn);
            }
        }
        pairs
    }

    /// Puts the columns side by side, `room` being what each needs to the right of its line; gives the places of the lines.
    pub(super) fn lay_out(&mut self, room: &[f64]) {
        /// Beside the first line there are words of what befell its host.
        const WORDS: f64 = 92.0;
        let mut right = super::page::GUTTER;
        for (column, room) in self.all.iter().zip(room) {
            let half = (column.label.chars().count().min(LONGEST) as f64 * 3.8 + 14.0).max(36.0);
            let x = right + if self.x.is_empty() { half.max(WORDS) } else { half };
            self.x.push(x);
            right = x + room.max(half) + 18.0;
        }
        self.right = right;
    }
}

/// Longer names than this are cut.
pub(super) const LONGEST: usize = 22;

/// `readers-12` and `readers-7` are `readers`.
fn stem(name: &str) -> String {
    let stem = name.trim_end_matches(|c: char| c.is_ascii_digit() || "-_. #".contains(c));
    if stem.is_empty() { name.to_owned() } else { stem.to_owned() }
}
