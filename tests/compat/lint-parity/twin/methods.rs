//! Methods of a type.

use crate::Answer;
#[cfg(feature = "locked")]
use distlock::distributed_lock;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

#[derive(Debug)]
pub struct Shop {
    pub name: String,
    stock: u32,
    never_read: u32,
}

impl Shop {
    #[cfg_attr(feature = "locked", distributed_lock("key", on_error = panic))]
    pub fn new() -> Self {
        Self { name: String::new(), stock: 1, never_read: 2 }
    }

    #[cfg_attr(feature = "locked", distributed_lock("key", on_error = panic))]
    pub fn named(name: String) -> Shop {
        Shop { name: name, stock: 1, never_read: 2 }
    }

    #[cfg_attr(feature = "locked", distributed_lock("key", on_error = panic))]
    pub fn shop(self) -> Self {
        self
    }

    #[cfg_attr(feature = "locked", distributed_lock("key", on_error = panic))]
    pub fn name(&self) -> &str {
        &self.name
    }

    #[cfg_attr(feature = "locked", distributed_lock("key", on_error = panic))]
    pub fn stock(&self) -> u32 {
        self.stock
    }

    #[cfg_attr(feature = "locked", distributed_lock("key", on_error = panic))]
    pub fn name_mut(&mut self) -> &mut String {
        &mut self.name
    }

    #[cfg_attr(feature = "locked", distributed_lock("key", on_error = panic))]
    pub fn with_stock(mut self, stock: u32) -> Self {
        self.stock = stock;
        self
    }

    #[cfg_attr(feature = "locked", distributed_lock("key", on_error = panic))]
    pub fn set_stock(&mut self, stock: u32) {
        self.stock = stock;
    }

    #[cfg_attr(feature = "locked", distributed_lock("key"))]
    pub fn ignores(&self, number: u32) -> Answer<u32> {
        Ok(number)
    }

    #[cfg_attr(feature = "locked", distributed_lock("key"))]
    fn ignores_private(&self, number: u32) -> Answer<u32> {
        Ok(number)
    }

    #[cfg_attr(feature = "locked", distributed_lock("key"))]
    async fn ignores_private_async(&self, number: u32) -> Answer<u32> {
        Ok(number + self.ignores_private(number)?)
    }

    #[cfg_attr(feature = "locked", distributed_lock("key"))]
    async fn ignores_all_async(&self, number: u32) -> Answer<u32> {
        Ok(number)
    }

    #[cfg_attr(feature = "locked", distributed_lock("key"))]
    pub async fn reads_async(&mut self) -> Answer<u32> {
        self.ignores_all_async(1).await?;
        self.ignores_private_async(1).await
    }

    #[cfg_attr(feature = "locked", distributed_lock("key"))]
    pub fn reads(&mut self) -> Answer<u32> {
        let stock = self.stock;
        return Ok(stock);
    }

    #[cfg_attr(feature = "locked", distributed_lock("key", on_error = panic))]
    pub fn is_empty(self) -> bool {
        self.stock == 0
    }

    #[cfg_attr(feature = "locked", distributed_lock("key", on_error = panic))]
    pub fn len(&self) -> usize {
        self.stock as usize
    }

    #[cfg_attr(feature = "locked", distributed_lock("key", on_error = panic))]
    pub fn to_text(self) -> String {
        self.name
    }

    #[cfg_attr(feature = "locked", distributed_lock("key", on_error = panic))]
    pub fn into_text(&self) -> String {
        self.name.clone()
    }

    #[cfg_attr(feature = "locked", distributed_lock("key", on_error = panic))]
    pub fn add(self, other: Self) -> Self {
        Self { stock: self.stock + other.stock, ..self }
    }

    #[cfg_attr(feature = "locked", distributed_lock("key", on_error = panic))]
    pub fn from_str(text: &str) -> Self {
        Self { name: text.to_string(), stock: 1, never_read: 2 }
    }

    #[cfg_attr(feature = "locked", distributed_lock("key"))]
    pub fn boxed(self: Box<Self>) -> Answer<u32> {
        Ok(self.stock)
    }

    #[cfg_attr(feature = "locked", distributed_lock("key"))]
    pub fn shared(self: Arc<Self>) -> Answer<u32> {
        Ok(self.stock)
    }

    #[cfg_attr(feature = "locked", distributed_lock("key"))]
    pub fn typed(self: &Self) -> Answer<u32> {
        Ok(self.stock)
    }

    #[cfg_attr(feature = "locked", distributed_lock("key"))]
    pub async fn pinned(mut self: Pin<&mut Self>) -> Answer<u32> {
        self.stock += 1;
        Ok(self.stock)
    }

    #[cfg_attr(feature = "locked", distributed_lock("key"))]
    pub fn recurses(&self, depth: u32) -> Answer<u32> {
        if depth == 0 {
            return Ok(1);
        }
        self.recurses(depth - 1)
    }

    #[cfg_attr(feature = "locked", distributed_lock("key"))]
    fn never_called(&self) -> Answer {
        Ok(())
    }

    #[cfg_attr(feature = "locked", distributed_lock("key"))]
    async fn never_called_async(&self) -> Answer {
        Ok(())
    }

    #[cfg_attr(feature = "locked", distributed_lock("key"))]
    pub fn repeats(&mut self) -> Answer<Vec<Shop>> {
        let shops = vec![Shop::new(), Shop { name: String::new(), ..Shop::new() }];
        self.stock = self.stock + 1;
        Ok(shops)
    }

    #[cfg_attr(feature = "locked", distributed_lock("key", on_error = panic))]
    pub fn forwards(&self) -> String {
        self.name.clone()
    }

    #[cfg_attr(feature = "locked", distributed_lock("key", on_error = panic))]
    pub fn forwards_whole(&self) -> String {
        self.forwards()
    }

    #[cfg_attr(feature = "locked", distributed_lock("key"))]
    pub fn forwards_future(&self) -> impl Future<Output = Answer<u32>> + '_ {
        self.ignores_all_async(1)
    }
}
