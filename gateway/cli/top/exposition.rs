//! The text of `/metrics`, read as far as it can be: a line that says nothing to us is passed over. Pure.

use std::borrow::Cow;

/// One line: a metric, its labels and its value.
#[derive(Clone, Debug, PartialEq)]
pub(in crate::cli) struct Sample<'a> {
    /// The name of the metric.
    pub(in crate::cli) name: &'a str,
    labels: Vec<(&'a str, Cow<'a, str>)>,
    /// The value.
    pub(in crate::cli) value: f64,
}

impl Sample<'_> {
    /// The value of a label; empty where there is none of this name.
    pub(in crate::cli) fn label(&self, name: &str) -> &str {
        self.labels.iter().find(|(label, _)| *label == name).map_or("", |(_, value)| value)
    }
}

/// The lines that have a value.
pub(in crate::cli) fn samples(text: &str) -> impl Iterator<Item = Sample<'_>> {
    text.lines().filter_map(sample)
}

fn sample(line: &str) -> Option<Sample<'_>> {
    let line = line.trim();
    let end = line.find(|c: char| c == '{' || c.is_whitespace())?;
    let (name, rest) = line.split_at_checked(end)?;
    let (labels, rest) = match rest.trim_start().strip_prefix('{') {
        Some(labels) => self::labels(labels)?,
        None => (Vec::new(), rest),
    };
    // A moment may stand behind the value.
    let value = rest.split_whitespace().next()?.parse().ok()?;
    (!name.is_empty() && !name.starts_with('#')).then_some(Sample { name, labels, value })
}

/// Labels and their values, and what stands behind their brace.
#[allow(clippy::type_complexity, reason = "a pair that is taken apart at once")]
fn labels(mut rest: &str) -> Option<(Vec<(&str, Cow<'_, str>)>, &str)> {
    let mut labels = Vec::new();
    loop {
        rest = rest.trim_start_matches([',', ' ']);
        if let Some(behind) = rest.strip_prefix('}') {
            return Some((labels, behind));
        }
        let (name, quoted) = rest.split_once('=')?;
        let (value, behind) = value(quoted.trim_start().strip_prefix('"')?)?;
        labels.push((name.trim(), value));
        rest = behind;
    }
}

/// A value up to its closing quote, and what stands behind that.
fn value(text: &str) -> Option<(Cow<'_, str>, &str)> {
    let plain = text.find(['"', '\\'])?;
    let (start, rest) = text.split_at_checked(plain)?;
    if let Some(behind) = rest.strip_prefix('"') {
        return Some((Cow::Borrowed(start), behind));
    }
    let mut value = start.to_owned();
    let mut chars = rest.chars();
    loop {
        match chars.next()? {
            '"' => return Some((Cow::Owned(value), chars.as_str())),
            '\\' => match chars.next()? {
                'n' => value.push('\n'),
                // `\\` and `\"`; of any other, the character itself.
                other => value.push(other),
            },
            other => value.push(other),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// A sample's name, labels and value.
    type Owned = (String, Vec<(String, String)>, f64);

    fn read(text: &str) -> Vec<Owned> {
        let labels = |it: &Sample<'_>| {
            it.labels.iter().map(|(name, value)| ((*name).to_owned(), value.to_string())).collect()
        };
        samples(text).map(|it| (it.name.to_owned(), labels(&it), it.value)).collect()
    }

    #[test]
    fn lines_with_and_without_labels_are_read() {
        let text = "# HELP a what it is\n# TYPE a counter\na 3\n\nb{} 1.5 1700000000000\n\
                    c{x=\"1\",y=\"two, } words\",} +Inf\nd { x = \"1\" } NaN\n";
        let all = read(text);
        let names: Vec<&str> = all.iter().map(|it| &*it.0).collect();
        assert_eq!(names, ["a", "b", "c", "d"]);
        assert_eq!((all[0].2, all[1].2, all[2].2), (3.0, 1.5, f64::INFINITY));
        let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        assert_eq!(all[2].1, [pair("x", "1"), pair("y", "two, } words")]);
        assert_eq!(all[3].1, [pair("x", "1")]);
    }

    #[test]
    fn what_is_escaped_is_read_as_it_was_meant() {
        let all = read("a{x=\"q\\\" b\\\\ n\\n 模型\",y=\"\"} 1\n");
        assert_eq!(all[0].1[0].1, "q\" b\\ n\n 模型");
        assert_eq!(all[0].1[1].1, "");
    }

    #[test]
    fn what_is_no_line_of_it_is_passed_over() {
        let text =
            "<html>\na\na b\na{x=\"1 3\na{x=1} 3\na{x 3\n{} 3\n{\"ok\": true}\na{x=\"\\\nz 1";
        assert_eq!(read(text), [("z".to_owned(), Vec::new(), 1.0)]);
    }

    proptest! {
        /// Whatever a label is, it is read as it was, by the escapes of the format.
        #[test]
        fn a_label_comes_through(label in any::<String>()) {
            let escaped = label.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n");
            // What `str::lines` takes from a line's end is the one thing that no format keeps.
            prop_assume!(!escaped.contains('\r'));
            let all = read(&format!("a{{x=\"{escaped}\",y=\"z\"}} 7"));
            prop_assert_eq!(&all[0].1[0].1, &label);
            prop_assert_eq!(all[0].2, 7.0);
        }

        /// No text makes it fall over.
        #[test]
        fn any_text_can_be_read(text in any::<String>()) {
            let _ = samples(&text).count();
        }
    }
}
