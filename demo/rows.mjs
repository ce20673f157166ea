// Documents turned back into rows of their source file, so that not one field can get lost unnoticed.
import { wordsOfDate } from './sources.mjs';

/** @param {any} film */
export function movieRow({ title, released, director, distributor, genre, creativeType, source, certificate, minutes, budget, gross, rating }) {
  return {
    Title: title,
    'US Gross': gross.us,
    'Worldwide Gross': gross.worldwide,
    'US DVD Sales': gross.dvd,
    'Production Budget': budget,
    'Release Date': wordsOfDate(released),
    'MPAA Rating': certificate,
    'Running Time min': minutes,
    Distributor: distributor,
    Source: source,
    'Major Genre': genre,
    'Creative Type': creativeType,
    Director: director,
    'Rotten Tomatoes Rating': rating.tomatoes,
    'IMDB Rating': rating.imdb,
    'IMDB Votes': rating.votes,
  };
}

/** @param {any} strike */
export function birdstrikeRow({ airport, aircraft, operator, damage, date, timeOfDay, state, phase, wildlife, cost, speedKnots }) {
  return {
    'Airport Name': airport,
    'Aircraft Make Model': aircraft,
    'Effect Amount of damage': damage,
    'Flight Date': date.toISOString().slice(0, 'yyyy-mm-dd'.length),
    'Aircraft Airline Operator': operator,
    'Origin State': state,
    'Phase of flight': phase,
    'Wildlife Size': wildlife.size,
    'Wildlife Species': wildlife.species,
    'Time of day': timeOfDay,
    'Cost Other': String(cost.other),
    'Cost Repair': String(cost.repair),
    'Cost Total $': String(cost.total),
    'Speed IAS in knots': speedKnots === null ? '' : String(speedKnots),
  };
}

/** @param {any} document */
export function earthquakeFeature(document) {
  return { ...document, properties: { ...document.properties, types: `,${document.properties.types.join(',')},` } };
}
