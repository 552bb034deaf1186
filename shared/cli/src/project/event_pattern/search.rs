//! The search for values of an event that fulfil a rule together.

use super::{
    MostWork, Reason, Why,
    event::{Event, Membership, Unknown, steps},
    matcher::{Leaf, Matcher, Verdict},
    number::Reading,
    rules::{Matchers, Rule},
};
use std::collections::{BTreeMap, BTreeSet, HashMap};

/// The matchers of a field in all rules of a pattern, in their order: Amazon's matcher keeps them in one place, so that
/// one matcher may change what another takes.
type Neighbours<'a> = BTreeMap<&'a str, Vec<&'a Matcher>>;

pub(super) struct Search<'a> {
    event: &'a Event,
    steps: BTreeSet<&'a str>,
    neighbours: Neighbours<'a>,
    verdicts: HashMap<(*const Vec<Matcher>, *const Leaf), Verdict>,
    /// Why something was not known, by the field.
    doubts: BTreeMap<&'a str, Why>,
    work: MostWork,
}

impl<'a> Search<'a> {
    pub(super) fn new(rules: &'a [Rule], event: &'a Event) -> Self {
        let mut neighbours = Neighbours::new();
        let mut seen = BTreeSet::new();
        let mut all_steps = BTreeSet::new();
        for (name, matchers) in rules.iter().flatten() {
            all_steps.extend(steps(name));
            if !seen.insert((name, std::ptr::from_ref::<Vec<Matcher>>(matchers))) {
                continue;
            }
            let here = neighbours.entry(name).or_default();
            for matcher in matchers.iter() {
                if !here.contains(&matcher) {
                    here.push(matcher);
                }
            }
        }
        let (verdicts, doubts) = (HashMap::new(), BTreeMap::new());
        Self { event, steps: all_steps, neighbours, verdicts, doubts, work: MostWork::default() }
    }

    /// Returns whether the event fulfils a rule.
    pub(super) fn fulfils(&mut self, rule: &'a Rule) -> Verdict {
        if self.is_possible(rule, false) {
            return Verdict::Yes;
        }
        self.doubts.clear();
        if !self.is_possible(rule, true) {
            return Verdict::No;
        }
        Verdict::Perhaps(self.doubts.values().next().copied().unwrap_or(Why::Work))
    }

    /// The field and the reason of the last doubt.
    pub(super) fn doubt(&self) -> Option<Reason> {
        self.doubts.iter().next().map(|(name, why)| Reason { field: Some((*name).to_owned()), why: *why })
    }

    /// Returns whether values can be chosen that fulfil a rule and belong together; an unknown value counts as fitting
    /// if `is_lenient`. Fields are gone through in the order of their names; absence is judged by the values chosen so
    /// far.
    fn is_possible(&mut self, rule: &'a Rule, is_lenient: bool) -> bool {
        // Only elements of arrays that later fields are in, too, have to be remembered.
        let event = self.event;
        let mut later: Vec<BTreeSet<usize>> = vec![BTreeSet::new()];
        for (name, _) in rule.iter().rev() {
            let mut arrays = later.last().cloned().unwrap_or_default();
            let values = event.values(name, &self.steps);
            arrays.extend(values.iter().flat_map(|(_, belongs)| belongs).map(|(array, _)| *array));
            later.push(arrays);
        }
        later.pop();
        let mut chosen = BTreeSet::from([Membership::new()]);
        for (name, matchers) in rule {
            let later = later.pop().unwrap_or_default();
            if let Some((unknown, is_within)) = event.unknown(name) {
                let verdict = self.noted(name, of_unknown(unknown, is_within, matchers));
                if verdict == Verdict::No || !is_lenient && verdict != Verdict::Yes {
                    return false;
                }
                continue;
            }
            let values = Values::of(event.values(name, &self.steps));
            let is_unresolved = matchers.contains(&Matcher::Unresolved);
            let mut next = BTreeSet::new();
            for before in &chosen {
                let mut is_absent = true;
                for (leaf, belongs) in values.beside(before) {
                    if !self.work.goes_on() {
                        self.doubts.insert(name, Why::Work);
                        return is_lenient;
                    }
                    let Some(both) = together(before, belongs, &later) else { continue };
                    is_absent = false;
                    let verdict = self.verdict(name, matchers, leaf);
                    let verdict = self.noted(name, verdict);
                    if verdict == Verdict::Yes || is_lenient && verdict != Verdict::No {
                        next.insert(both);
                    }
                }
                let is_perhaps = is_lenient && is_unresolved;
                if is_perhaps {
                    self.noted(name, Verdict::Perhaps(Why::Unresolved));
                }
                if is_absent && matchers.contains(&Matcher::Absent) || is_perhaps {
                    next.extend(together(before, &vec![], &later));
                }
            }
            chosen = next;
        }
        !chosen.is_empty()
    }

    /// Remembers a doubt.
    fn noted(&mut self, name: &'a str, verdict: Verdict) -> Verdict {
        if let Verdict::Perhaps(why) = verdict {
            self.doubts.entry(name).or_insert(why);
        }
        verdict
    }

    fn verdict(&mut self, name: &'a str, matchers: &'a Matchers, leaf: &Leaf) -> Verdict {
        let key = (std::ptr::from_ref::<Vec<Matcher>>(matchers), std::ptr::from_ref(leaf));
        if let Some(verdict) = self.verdicts.get(&key) {
            return *verdict;
        }
        let neighbours = self.neighbours.get(name).map_or(&[][..], Vec::as_slice);
        let verdict = of_value(matchers, neighbours, leaf);
        self.verdicts.insert(key, verdict);
        verdict
    }
}

/// The values of a field, to be found by the elements of arrays they are in.
struct Values<'a> {
    all: &'a [(Leaf, Membership)],
    by_element: HashMap<(usize, usize), Vec<usize>>,
    /// The arrays that all of them are in.
    common: BTreeSet<usize>,
}

impl<'a> Values<'a> {
    fn of(all: &'a [(Leaf, Membership)]) -> Self {
        let (mut by_element, mut counts) = (HashMap::<_, Vec<usize>>::new(), BTreeMap::new());
        for (place, (_, belongs)) in all.iter().enumerate() {
            for element in belongs {
                by_element.entry(*element).or_default().push(place);
                *counts.entry(element.0).or_insert(0) += 1;
            }
        }
        let common =
            counts.into_iter().filter(|(_, count)| *count == all.len()).map(|(array, _)| array).collect();
        Self { all, by_element, common }
    }

    /// Those that may belong to what is chosen: of an array that all are in, those of the same element.
    fn beside(&self, before: &Membership) -> Vec<&'a (Leaf, Membership)> {
        let of_element = before.iter().rfind(|(array, _)| self.common.contains(array));
        match of_element {
            Some(element) => {
                let places = self.by_element.get(element).map_or(&[][..], Vec::as_slice);
                places.iter().map(|place| &self.all[*place]).collect()
            }
            None => self.all.iter().collect(),
        }
    }
}

/// Returns the membership of two values together, as far as it matters later, or `None` if they are of different
/// elements of an array.
fn together(before: &Membership, belongs: &Membership, later: &BTreeSet<usize>) -> Option<Membership> {
    let (mut both, mut rest) = (Membership::with_capacity(before.len() + belongs.len()), belongs.as_slice());
    for &(array, index) in before {
        while let [first, others @ ..] = rest
            && first.0 < array
        {
            both.push(*first);
            rest = others;
        }
        if let [first, others @ ..] = rest
            && first.0 == array
        {
            if first.1 != index {
                return None;
            }
            rest = others;
        }
        both.push((array, index));
    }
    both.extend(rest);
    both.retain(|(array, _)| later.contains(array));
    Some(both)
}

/// Returns whether any of the matchers of a field holds of a value, beside the matchers of the field in other rules.
fn of_value(matchers: &[Matcher], neighbours: &[&Matcher], leaf: &Leaf) -> Verdict {
    let [doubles, six_decimals, as_written] = Reading::ALL.map(|reading| {
        matchers.iter().map(|matcher| matcher.holds(leaf, reading)).fold(Verdict::No, Verdict::or)
    });
    if doubles != six_decimals {
        return Verdict::Perhaps(Why::Versions);
    }
    if doubles != as_written {
        return Verdict::Perhaps(Why::Notation);
    }
    let place = |matcher: &Matcher| neighbours.iter().position(|neighbour| *neighbour == matcher);
    let holds = |matcher: &&Matcher| matcher.holds(leaf, Reading::Doubles) == Verdict::Yes;
    // Numbers are compared with the digits of addresses, too.
    if doubles == Verdict::No
        && neighbours.iter().any(|neighbour| neighbour.is_of_addresses())
        && matchers.iter().any(|matcher| matcher.is_digits_of(leaf))
    {
        return Verdict::Perhaps(Why::Address);
    }
    // What a wildcard has begun lets letters of a text in any case be any.
    for matcher in matchers.iter().filter(|matcher| matcher.ignores_case()) {
        let before = neighbours.iter().take(place(matcher).unwrap_or_default());
        let stars = before.map(|neighbour| neighbour.stars()).sum();
        let is_changed = stars > 0 && matcher.takes_with_free_letters(leaf, stars);
        let is_left_out = matches!(matcher, Matcher::Not(_));
        let mut others = matchers.iter().filter(|other| *other != matcher);
        if is_changed && (doubles == Verdict::No || is_left_out && !others.any(|other| holds(&other))) {
            return Verdict::Perhaps(Why::Wildcard);
        }
    }
    // A text before a range from negative numbers and another text is taken or not by chance.
    let range = neighbours.iter().position(|neighbour| neighbour.is_range_from_negative());
    let last = neighbours.iter().rposition(|neighbour| neighbour.is_of_text());
    if let (Verdict::Yes, Some(range), Some(last)) = (doubles, range, last)
        && range < last
    {
        let is_sure =
            |matcher: &&Matcher| !matcher.is_of_text() || place(matcher).is_some_and(|place| place > range);
        if !matchers.iter().filter(is_sure).any(|matcher| holds(&matcher)) {
            return Verdict::Perhaps(Why::Chance);
        }
    }
    doubles
}

/// Returns whether the matchers of a field hold of an unknown member.
pub(super) fn of_unknown(unknown: Unknown, is_within: bool, matchers: &[Matcher]) -> Verdict {
    match unknown {
        Unknown::Anything => Verdict::Perhaps(Why::Unknown),
        // A text has no fields.
        Unknown::Text if is_within => Verdict::known(matchers.contains(&Matcher::Absent)),
        Unknown::Text => matchers.iter().map(Matcher::holds_of_unknown_text).fold(Verdict::No, Verdict::or),
    }
}
