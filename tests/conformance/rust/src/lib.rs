//! One module for each feature.

#[cfg(feature = "filter")]
mod filter {
    use fluvio_smartmodule::{eyre, smartmodule, Result, SmartModuleRecord};

    /// Keeps values that end with an exclamation mark; does not take empty ones.
    #[smartmodule(filter)]
    pub fn filter(record: &SmartModuleRecord) -> Result<bool> {
        match record.value.as_ref().last() {
            Some(last) => Ok(*last == b'!'),
            None => Err(eyre!("an empty value")),
        }
    }
}

#[cfg(feature = "map")]
mod map {
    use fluvio_smartmodule::{smartmodule, RecordData, Result, SmartModuleRecord};

    /// The value becomes the key, and the value is turned around.
    #[smartmodule(map)]
    pub fn map(record: &SmartModuleRecord) -> Result<(Option<RecordData>, RecordData)> {
        let mut value = record.value.as_ref().to_vec();
        value.reverse();
        Ok((Some(record.value.clone()), value.into()))
    }
}

#[cfg(feature = "filter_map")]
mod filter_map {
    use fluvio_smartmodule::{smartmodule, RecordData, Result, SmartModuleRecord};

    /// Half of even numbers, no others.
    #[smartmodule(filter_map)]
    pub fn filter_map(
        record: &SmartModuleRecord,
    ) -> Result<Option<(Option<RecordData>, RecordData)>> {
        let number: i64 = std::str::from_utf8(record.value.as_ref())?.parse()?;
        if number % 2 != 0 {
            return Ok(None);
        }
        Ok(Some((record.key.clone(), (number / 2).to_string().into())))
    }
}

#[cfg(feature = "array_map")]
mod array_map {
    use fluvio_smartmodule::{smartmodule, RecordData, Result, SmartModuleRecord};

    /// Each word is a record.
    #[smartmodule(array_map)]
    pub fn array_map(
        record: &SmartModuleRecord,
    ) -> Result<Vec<(Option<RecordData>, RecordData)>> {
        let text = std::str::from_utf8(record.value.as_ref())?;
        Ok(text
            .split_whitespace()
            .map(|word| (None, word.to_string().into()))
            .collect())
    }
}

#[cfg(feature = "aggregate")]
mod aggregate {
    use fluvio_smartmodule::{smartmodule, RecordData, Result, SmartModuleRecord};

    /// The longest value until now.
    #[smartmodule(aggregate)]
    pub fn aggregate(longest: RecordData, record: &SmartModuleRecord) -> Result<RecordData> {
        if record.value.len() > longest.len() {
            return Ok(record.value.clone());
        }
        Ok(longest)
    }
}

#[cfg(feature = "init")]
mod init {
    use std::sync::OnceLock;

    use fluvio_smartmodule::dataplane::smartmodule::SmartModuleExtraParams;
    use fluvio_smartmodule::{eyre, smartmodule, Result, SmartModuleRecord};

    static LENGTH: OnceLock<usize> = OnceLock::new();

    #[smartmodule(init)]
    fn init(params: SmartModuleExtraParams) -> Result<()> {
        let length = params
            .get("length")
            .ok_or_else(|| eyre!("say a length"))?
            .parse()?;
        LENGTH.set(length).map_err(|_| eyre!("said twice"))
    }

    /// Keeps values of the length that a parameter says.
    #[smartmodule(filter)]
    pub fn filter(record: &SmartModuleRecord) -> Result<bool> {
        Ok(Some(&record.value.len()) == LENGTH.get())
    }
}

#[cfg(feature = "look_back")]
mod look_back {
    use std::collections::HashSet;
    use std::sync::Mutex;

    use fluvio_smartmodule::{smartmodule, Result, SmartModuleRecord};

    static SEEN: Mutex<Option<HashSet<Vec<u8>>>> = Mutex::new(None);

    fn is_new(record: &SmartModuleRecord) -> bool {
        let mut seen = SEEN.lock().unwrap();
        let seen = seen.get_or_insert_with(HashSet::new);
        seen.insert(record.value.as_ref().to_vec())
    }

    #[smartmodule(look_back)]
    pub fn look_back(record: &SmartModuleRecord) -> Result<()> {
        is_new(record);
        Ok(())
    }

    /// Keeps what was not there before.
    #[smartmodule(filter)]
    pub fn filter(record: &SmartModuleRecord) -> Result<bool> {
        Ok(is_new(record))
    }
}
