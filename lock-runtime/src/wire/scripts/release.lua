-- Ends a hold that others wait for: straight to the first live waiter, in this same step.
end_hold(held)
return 1
