"""Who decides what is kept for online: the peers' formulas, the oracle and slacktide itself.

Every policy answers the same question by the same interface (`SupplyPolicy`), so a backtest and a
replay differ in nothing but the policy.
"""
