"""Writes intents.csv: messages of customers to a bicycle shop, with their intents.

The texts were written for this project and are under its licence. The lists below are the
source; the file has them in a mixed order: python make.py > intents.csv
"""
import csv
import random
import sys

INTENTS = {
    "order_status": """Where is my order?
I ordered a helmet last week and it still hasn't arrived
When will my parcel be delivered?
tracking number please
has my bike been shipped yet
Order 48213 says processing since Monday, what is going on?
Could you tell me the status of my order?
My package was supposed to come yesterday.
still waiting for the pedals I bought
Has the courier picked up my order already?
The tracking link does not work
I need to know if the delivery comes before Friday
did my payment go through and is the order confirmed
how long until the saddle gets here
No confirmation mail for my purchase so far. Did the order go in?
My delivery is three days late
Can you check where the parcel is stuck?
Is my order on its way?
The app says delivered but nothing is here
what day will the tyres arrive
I paid for express shipping, where is it?
Please give me an update on order number 1177
When do you expect to send my bike out?
half of my order came, where is the rest?
Waiting for my lights since two weeks now
Who delivers it and at what time?
how can i follow my shipment
The delivery date keeps changing, which one is right?
Is there any news about my backordered wheel?
My neighbour got hers, mine is nowhere. Same order day!
Can I see somewhere how far my order is?
eta for order 5521?
Parcel shows as returned to sender, why?
Did you already hand my parcel to the post?""",
    "return_item": """I want to send the jersey back
How do I return an item?
The shoes are too small, can I exchange them for a 43?
what is your return policy
Can I get my money back for the lock?
Please send me a return label
I changed my mind about the bottle cage, can I return it?
wrong size, want to swap
Do I have to pay for the return shipping?
The gloves don't fit, how do I give them back?
I'd like a refund for my last purchase
how many days do i have to return something
Can I bring it back to the shop without the box?
Is it possible to exchange the blue one for the black one?
I received a medium but need a large
when will I get my refund
Returned the pump last week, no refund yet
Can I return a bike that I rode once?
need to send back two of the three items
Where do I take the parcel with my return?
The colour is not like on the picture, I will return it.
Can you cancel the order? If not I will send it back.
I lost the receipt, can I still return the bell?
refund to a different card possible?
Exchange for another model please
Please tell me how returns work when I bought it online
My son already has this helmet, can I give it back?
Do I get cash back or a voucher?
how to swap the pedals i got as a present
Is the lamp returnable if opened?
I don't need the trailer any more, could you take it back?
Take-back of used items?
The return form asks for a code, which one?
You sent me the wrong tyre width, please exchange it""",
    "book_repair": """I'd like to book a service for my bike
My brakes need adjusting, when can I come?
Can you fix a flat tyre today?
repair appointment for saturday please
do you repair e-bikes
The chain keeps jumping, can your workshop look at it?
I need a tune-up before my tour in May
How soon can you replace a broken spoke?
Could someone true my wheel this week?
need new brake pads fitted
Is a spring check possible on Thursday?
My gears are out of alignment, I want to bring it in
can i drop off my bike tomorrow morning for a repair
Please make an appointment for an inspection
The motor shows error 504, can you repair that?
Would you build a wheel for me?
Can you mount the child seat I bought?
broken shifter, need help soon
I want to move my repair appointment to next week
When is the next free slot in the workshop?
My fork is leaking oil, do you service suspension?
Can I wait while you change the tube?
bottom bracket creaks, can you take a look
looking for someone to assemble my new bike
Do I need an appointment for a repair?
Front light stopped working, could you check the cable?
please reserve a time for my bike check
Bleeding hydraulic brakes, do you do that?
I crashed and need the frame checked
Could your mechanic install a rack on my bike?
rear wheel wobbles a lot, when may I come by
I'd like to have the chain and cassette replaced
Can you pick up my bike for the yearly service?
The pedal thread is stripped. Fixable?""",
    "price": """How much is the city bike?
What does a full service cost?
price of the carbon handlebar?
do you give a student discount
Is there a sale on helmets?
How much do you charge for a new chain?
Can I pay in instalments?
what would a new rear wheel cost me
Is the price with or without tax?
Do you match prices of other shops?
How expensive is shipping to Austria?
any discount if I buy two
What is the cheapest bike for a child of six?
costs for changing a tyre
Does the electric bike have a lower price in winter?
Are there voucher codes at the moment?
how much for the red one in the window
Could you make me an offer for ten company bikes?
What's the difference in price between the two models?
Is assembly included in the price?
Do members pay less?
Tell me the price of the rain jacket please
is the lock really 90 euros
What do you ask for a used road bike?
how much would you pay for my old bike
I saw it for 50 less elsewhere, can you do that too?
What does leasing cost a month?
Is there an extra charge for paying by card?
When does the spring sale start?
price list for repairs?
Is delivery free above a certain amount?
Do I get a rebate as a teacher?
Any bundle price for helmet and lights?
The website shows two prices, which one is true?""",
    "stock": """Do you have the helmet in size M?
Is the gravel bike in stock?
when will the 28 inch tubes be available again
do you carry tubeless valves
Have you got this jacket in green?
Are there any kids bikes in the shop right now?
Which sizes of the trail shoe are left?
looking for a saddle bag, do you sell them
Is the folding bike available in your store or only online?
do you sell second hand bikes
Can I see the cargo bike at your place?
Is the blue frame sold out permanently?
any e-bikes with a low step in store
Do you stock parts for older Peugeot bikes?
will you get more of the wool jerseys
I need a 9 speed chain, got one?
Is the last one still there? I would come today
Have you winter tyres with spikes?
can you put the black one aside for me until saturday
do you have a pump that fits a small bag
What brands of locks do you keep?
The page says one left, is that right?
Could you order the large frame for me?
got any bike trailers for dogs
Do you also sell single speed bikes?
Is a test bike of the new model there?
Are spare batteries for my 2019 motor available?
When do the new models come in?
left-handed shifters, do you have something like that
Is there a women's version of the saddle in the shop?
mudguards for 26 inch wheels?
Is the carrier also available in silver?
Do you have reflective vests for adults?
Any chance to get a discontinued cassette from you?""",
    "opening_hours": """When do you open on Saturday?
What are your opening hours?
are you open today
Is the shop open on public holidays?
until what time can I come tonight
Where exactly is your shop?
Do you close for lunch?
is the workshop open on mondays too
How do I get to you by tram?
Are you open between Christmas and New Year?
Can I park near the store?
what time do you close on friday
Do you have a second branch in the north?
sunday open?
Which bus stops near you?
Can I come at seven in the morning?
Is the store in Mill Road still there?
when does the shop open after the holidays
At what hour can I pick up things at the earliest?
Are the hours in winter different?
how late is somebody there on thursdays
What's your address?
Is there a ramp for wheelchairs at the entrance?
Do you open earlier in summer?
are you closed next week
Can I reach you by phone, and when?
Your door was shut at noon, is that usual?
opening times workshop
Is anyone in the shop on Saturday afternoon?
I come by car from outside, where do I leave it?
Do you have long opening hours before Easter?
where can i find you in the city
Are you there on the first of May?
Which entrance do I take in the yard?""",
    "complaint": """Your mechanic scratched my frame and nobody said sorry
The brakes failed one day after your service!
I am very disappointed with the quality of this bag
Worst customer service I have ever had
third time the same repair and it still rattles
Nobody answers the phone, this is ridiculous
The bike came with a bent wheel
You charged me twice and ignore my mails
I was treated rudely at the counter yesterday
the zip broke after two rides, what kind of quality is that
I want to speak to your manager
Waited an hour although I had an appointment
Your advice cost me 200 euros for nothing
this light died after a week, not acceptable
The saddle you sold me is used, not new!
My bike was ready on Monday you said, now it is Thursday and nothing is done
Missing screws in the box again, please be more careful
I will never buy from you again
the helmet arrived with a crack
You promised to call back three times and never did
Your chat bot is useless
The paint comes off already after one month
I got insulted by one of your staff
Very unhappy: wrong part fitted, and I had to pay for it
The invoice has a fee that nobody told me about
It is a shame how you treat old customers
parcel arrived completely crushed because of your packing
The lock can be opened with a pen, this is dangerous
Why do you advertise things that you don't have?
After your inspection the gears are worse than before
I feel cheated by the used bike you sold me
My review will be one star unless somebody reacts
You lost my key and shrug about it?
This is the second faulty battery from you""",
    "praise": """Thank you, the bike runs like new!
Great service, I will come back
the team in the workshop is fantastic
Just wanted to say thanks for the quick help
Best bike shop in town
My daughter loves her new bike
Super fast delivery, very happy
thanks a lot for the good advice yesterday
The fitting made all the difference, no more knee pain
You really saved my holiday, thank you
five stars from me
Everything arrived well packed and earlier than promised
Really friendly people at the counter
i am impressed how well you fixed it
Please tell Maria that she did a wonderful job
perfect, exactly what I needed
The lights are brilliant, good recommendation!
Thanks for staying open five minutes longer for me
I have never had such a smooth gear change, well done
very pleased with the jacket
Honest advice and fair people, that is rare
Cheers for sorting this out so quickly
love the new shop, it looks great
My old bike is like a new one thanks to you
Wonderful experience from the first call to the pick-up
keep up the good work
I recommended you to all my colleagues
The saddle is so comfortable, thank you for the tip
You are the only ones who could repair it, hats off
Nice that you remembered my name
all good, thanks
What a lovely handwritten note in the parcel
Happy customer here!
The test ride was fun and nobody pushed me to buy""",
}


def main():
    rows = [(text, intent) for intent, texts in INTENTS.items() for text in texts.splitlines()]
    random.Random(7).shuffle(rows)
    out = csv.writer(sys.stdout, lineterminator="\n")
    out.writerow(("text", "label"))
    out.writerows(rows)


if __name__ == "__main__":
    main()
