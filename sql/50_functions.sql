-- @bundle

-- @functions
