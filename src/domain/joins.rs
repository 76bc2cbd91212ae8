//! Customers of several sources that an admin said are one. Never by e-mail: two people may share
//! an address, and one may have several.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

/// A customer, as one source knows them.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct CustomerRef {
    pub source: String,
    pub customer_id: String,
}

/// An admin's word: these are one customer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Join {
    pub id: String,
    pub customers: BTreeSet<CustomerRef>,
}

/// Everybody who is the same as a customer, themselves left out: who shares a join with them, and
/// who shares one with those.
#[must_use]
pub fn same_as(joins: &[Join], customer: &CustomerRef) -> BTreeSet<CustomerRef> {
    let mut by_customer: BTreeMap<&CustomerRef, Vec<&Join>> = BTreeMap::new();
    for join in joins {
        join.customers.iter().for_each(|c| by_customer.entry(c).or_default().push(join));
    }
    let mut found = BTreeSet::from([customer.clone()]);
    let mut todo = vec![customer];
    while let Some(next) = todo.pop() {
        for other in by_customer.get(next).into_iter().flatten().flat_map(|join| &join.customers) {
            if found.insert(other.clone()) {
                todo.push(other);
            }
        }
    }
    found.remove(customer);
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    fn customers(names: &[&str]) -> BTreeSet<CustomerRef> {
        let of = |name: &&str| {
            let (source, customer_id) = name.split_once('/').unwrap();
            CustomerRef { source: source.to_owned(), customer_id: customer_id.to_owned() }
        };
        names.iter().map(of).collect()
    }

    #[test]
    fn whoever_is_joined_with_one_is_joined_with_all_of_theirs() {
        let join = |id: &str, names: &[&str]| Join { id: id.to_owned(), customers: customers(names) };
        let joins = [join("1", &["a/1", "b/1"]), join("2", &["b/1", "c/1"]), join("3", &["a/2", "b/2"])];
        for (name, same) in [("a/1", &["b/1", "c/1"][..]), ("c/1", &["a/1", "b/1"]), ("b/2", &["a/2"]), ("c/9", &[])] {
            let asked = customers(&[name]).pop_first().unwrap();
            assert_eq!(same_as(&joins, &asked), customers(same), "{name}");
        }
        let parted = [joins[0].clone(), joins[2].clone()];
        assert_eq!(same_as(&parted, &customers(&["c/1"]).pop_first().unwrap()), customers(&[]));
    }
}
